"""charrnn gradcheck"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..config import GradcheckConfig

DEFAULT = GradcheckConfig()
FAILED = 4


def gradcheck(
    cell: Annotated[str, typer.Option(help="The cell to check, or all.")] = "all",
    hidden_size: Annotated[int, typer.Option(help="Hidden units of a layer.")] = 5,
    num_layers: Annotated[int | None, typer.Option(help="Layers; by default 1 and then 2.")] = None,
    embed_size: Annotated[int, typer.Option(help="Size of an embedding; 0: one-hot inputs.")] = 0,
    dropout: Annotated[float, typer.Option(help="With fixed dropout masks.")] = 0.0,
    seq_len: Annotated[int, typer.Option(help="Steps through time.")] = DEFAULT.seq_len,
    batch_size: Annotated[int, typer.Option(help="Sequences.")] = DEFAULT.batch_size,
    dtype: Annotated[str, typer.Option(help="float64, or float32 to see its rounding.")] = "float64",
    eps: Annotated[float, typer.Option(help="Step of the differences.")] = DEFAULT.eps,
    tol: Annotated[float, typer.Option(help="Largest relative error that passes.")] = DEFAULT.tol,
    seed: Annotated[int, typer.Option(help="Of weights, text and state.")] = DEFAULT.seed,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False,
) -> None:
    """Check the gradients of the kernels that train against differences of their loss.

    Every element of every parameter and of the carried state; exit code 4 if one fails.

    Example: charrnn gradcheck --cell lstm --num-layers 3
    """
    import json

    from .. import cells
    from ..config import ModelConfig
    from ..gradcheck import check
    from .console import COMPILING, explain_wait

    names = cells.names() if cell == "all" else [cell]
    config = GradcheckConfig(seq_len=seq_len, batch_size=batch_size, eps=eps, tol=tol, seed=seed)
    rows = []
    for name in names:
        for layers in [num_layers] if num_layers is not None else [1, 2]:
            model = ModelConfig(name, hidden_size, layers, embed_size, dropout, dtype)
            with explain_wait(COMPILING, quiet):
                found = list(check(model, config))
            rows += found
            if not as_json:
                print("\n".join(lines(found)), flush=True)
    passed = all(row.passed for row in rows)
    if as_json:
        print(json.dumps({"passed": passed, "tol": tol, "seed": seed, "rows": [asdict(row) for row in rows]}))
    else:
        worst = max(row.largest for row in rows)
        verdict = "PASS" if passed else "FAIL"
        elements = sum(row.elements for row in rows)
        print(f"{verdict}: {elements} elements, largest relative error {worst:.1e} ({tol:g}), seed {seed}")
    if not passed:
        raise typer.Exit(FAILED)


def lines(rows: list) -> list[str]:  # type: ignore[type-arg]
    """One line for each tensor."""
    return [
        f"{'PASS' if row.passed else 'FAIL'}  {row.cell:<5} layers {row.num_layers}  {row.tensor:<18}"
        f" {row.elements:>6} elements  {row.largest:.1e}"
        for row in rows
    ]
