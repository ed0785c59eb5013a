"""charrnn bench"""

from __future__ import annotations

from typing import Annotated

from .. import cells
from ..config import DTYPES, at_least
from .options import option


def bench(
    quick: Annotated[
        bool, option("Setup", "Run only the first training and the first sampling setup.", "--quick")
    ] = False,
    cell: Annotated[str, option("Setup", "Cell to time, or all.", choices=["all", *cells.names()])] = "all",
    dtype: Annotated[
        str, option("Setup", "Precision of matrix products: float32, bfloat16 or float64.", choices=DTYPES)
    ] = "float32",
    threads: Annotated[
        int, option("Setup", "Number of threads; 0: one per core available to this process.")
    ] = 0,
    vs: Annotated[
        str | None,
        option(
            "Setup",
            "torch: also time PyTorch (must be installed), in float32 and with bfloat16 autocast, in turn.",
            choices=["torch"],
        ),
    ] = None,
    as_json: Annotated[bool, option("Output", "Print the results as one JSON document.", "--json")] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Measure the training and sampling speed of this machine, in characters per second.

    The column "share" is the share of the peak arithmetic speed in training,
    and of the memory bandwidth for reading the weights in sampling.

    Example: charrnn bench --vs torch
    """
    import json
    from dataclasses import asdict
    from importlib.util import find_spec

    from ..bench.benchmark import SETUPS, peak, run
    from ..errors import UsageError
    from ..model.network import refuse_without_bfloat16
    from ..parallel.threads import Team
    from .console import note

    at_least("threads", threads, 0)
    if vs and find_spec("torch") is None:
        raise UsageError("PyTorch is not installed", "run pip install torch, or leave out --vs")
    if dtype == "bfloat16":
        refuse_without_bfloat16()
    names = cells.names() if cell == "all" else [cell]
    setups = (SETUPS[0], SETUPS[4]) if quick else SETUPS
    team = Team(threads)
    note(team.note, quiet)
    top = peak(team, dtype)
    note(
        f"{team.threads} threads, peak of {dtype} {top / 1e9:.0f} GFLOP/s; medians of alternating runs", quiet
    )
    header = f"{'setup':<36} {'cell':<8} {'chars/s':>10} {'GFLOP/s':>8} {'share':>6}"
    if not as_json:
        print(header + (f" {'PyTorch':>10} {'ratio':>6} {'autocast':>10} {'ratio':>6}" if vs else ""))
    results = []
    for result in run(names, setups, team, top, dtype, vs is not None):
        results.append(asdict(result))
        if not as_json:
            print(line(results[-1]), flush=True)
    if as_json:
        print(
            json.dumps(
                {"threads": team.threads, "dtype": dtype, "peak_gflops": top / 1e9, "results": results}
            )
        )


def line(result: dict) -> str:  # type: ignore[type-arg]
    """Return a row of the table."""
    ours = (
        f"{result['setup']:<36} {result['cell']:<8} {result['chars_per_s']:>10,.0f} {result['gflops']:>8.1f}"
    )
    ours += f" {result['share']:>6.0%}"
    for other in filter(None, (result["torch"], result["autocast"])):
        ours += f" {other:>10,.0f} {result['chars_per_s'] / other:>6.2f}"
    return ours
