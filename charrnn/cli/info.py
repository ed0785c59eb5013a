"""charrnn info"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import json_line, visible


def info(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint (.npz) written by charrnn train.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what a checkpoint holds: model, vocabulary, parameters, and how it was trained.

    Example: charrnn info ckpt.npz
    """
    from ..checkpoint import load

    loaded = load(checkpoint)
    arrays = loaded.network.layout.exported_shapes()
    facts = loaded.meta | {
        "parameters": loaded.network.layout.size,
        "vocabulary": loaded.vocabulary.text,
        "arrays": {name: list(shape) for name, shape in arrays.items()},
    }
    print(json_line(facts) if as_json else "\n".join(lines(facts)))


def lines(facts: dict[str, object]) -> list[str]:
    """`name  value` lines; a nested table as one indented line for each entry."""
    shown = []
    for name, value in facts.items():
        if isinstance(value, dict):
            shown.append(name)
            shown += [f"  {key:<20}  {plain(entry)}" for key, entry in value.items()]
        else:
            shown.append(f"{name:<22}  {plain(value)}")
    return shown


def plain(value: object) -> str:
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else visible(str(value))
