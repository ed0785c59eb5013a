"""charrnn gradcheck"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .. import cells
from ..config import CHECKED, GradcheckConfig, ModelConfig
from ..errors import ExitCode
from .options import option
from .output import json_line

if TYPE_CHECKING:
    from ..inspection.gradcheck import Row

DEFAULT = GradcheckConfig()
# A float32 loss is rounded to about 1e-7 of its value. Over all cells with 1 to 3 layers, with and without
# embedding, dropout and attention, 6 seeds each, the largest error was 4e-4, except for rnn_relu, whose
# short steps gave 0.07.
TOL = {"float64": DEFAULT.tol, "float32": 0.1}
HEADER = f"{'cell':<5} {'layers':>6}  {'tensor':<17} {'elements':>8}  {'error':>7}"


def gradcheck(
    cell: Annotated[str, option("Model", "Cell to check, or all.", choices=["all", *cells.names()])] = "all",
    hidden_size: Annotated[int, option("Model", "Hidden units in each layer.")] = 5,
    num_layers: Annotated[int | None, option("Model", "Number of layers; default: first 1, then 2.")] = None,
    embed_size: Annotated[int, option("Model", "Size of the character embedding; 0: one-hot inputs.")] = 0,
    attention: Annotated[
        int, option("Model", "Attention window: how many steps each step looks back on; 0: none.")
    ] = 0,
    dropout: Annotated[float, option("Model", "Dropout, with fixed masks.")] = 0.0,
    dtype: Annotated[
        str, option("Model", "Precision: float64, or float32 to see its rounding errors.", choices=CHECKED)
    ] = "float64",
    seq_len: Annotated[int, option("Check", "Time steps in each sequence.")] = DEFAULT.seq_len,
    batch_size: Annotated[int, option("Check", "Number of sequences.")] = DEFAULT.batch_size,
    eps: Annotated[float, option("Check", "Largest step of the finite differences.")] = DEFAULT.eps,
    tol: Annotated[
        float | None,
        option("Check", "Largest relative error that passes; default: 1e-8, or 0.1 in float32."),
    ] = None,
    seed: Annotated[int, option("Check", "Random seed for weights, text and state.")] = DEFAULT.seed,
    as_json: Annotated[bool, option("Output", "Print the results as one JSON document.", "--json")] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Check the gradients of the training kernels against finite differences of their loss.

    Checks every element of every parameter and of the carried state.
    The exit code is 4 if one fails.

    Example: charrnn gradcheck --cell lstm --num-layers 3
    """
    from .console import stdout

    tol = TOL.get(dtype, DEFAULT.tol) if tol is None else tol  # a wrong dtype is refused below
    config = GradcheckConfig(seq_len=seq_len, batch_size=batch_size, eps=eps, tol=tol, seed=seed)
    models = [
        ModelConfig(name, hidden_size, layers, embed_size, dropout, dtype, attention)
        for name in (cells.names() if cell == "all" else [cell])
        for layers in ([1, 2] if num_layers is None else [num_layers])
    ]
    rows: list[Row] = []
    for row in results(models, config, quiet):
        if not as_json:
            stdout().print(*([] if rows else [HEADER]), line(row), sep="\n", soft_wrap=True)
        rows.append(row)
    failed = sum(not row.passed for row in rows)
    if as_json:
        print(
            json_line(
                {
                    "passed": not failed,
                    "eps": eps,
                    "tol": tol,
                    "seed": seed,
                    "rows": [asdict(row) for row in rows],
                }
            )
        )
    else:
        elements = sum(row.elements for row in rows)
        stdout().print(
            verdict(not failed),
            f"{failed} of {len(rows)} tensors failed, {elements} elements, "
            f"largest error {max(row.largest for row in rows):.1e} (allowed {tol:g}), seed {seed}",
            soft_wrap=True,
        )
    raise typer.Exit(ExitCode.WRONG if failed else ExitCode.DONE)


def results(models: list[ModelConfig], config: GradcheckConfig, quiet: bool) -> Iterator[Row]:
    """Check each model, and yield a row for each of its tensors."""
    from ..inspection.gradcheck import check
    from .console import explain_compiling

    for model in models:
        rows = check(model, config)
        with explain_compiling(quiet):
            first = next(rows)
        yield first
        yield from rows


def line(row: Row) -> str:
    """Return a row of the table; a failure adds a line about the worst element."""
    shown = f"{row.cell:<5} {row.num_layers:>6}  {row.tensor:<17} {row.elements:>8}  {row.largest:>7.1e}  "
    shown += verdict(row.passed)
    if row.passed:
        return shown
    return f"{shown}\n{'':12}  worst: {row.place}: analytic {row.analytic:.10g}, numeric {row.numeric:.10g}"


def verdict(passed: bool) -> str:
    return "[green]PASS[/]" if passed else "[bold red]FAIL[/]"
