"""charrnn info"""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from .options import option
from .output import json_line, visible
from .settings import toml
from .sparkline import sparkline


def info(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Checkpoint (.npz) written by charrnn train.")
    ],
    as_json: Annotated[bool, option("Output", "Print everything as one JSON document.", "--json")] = False,
    as_toml: Annotated[
        bool, option("Output", "Print the training options as TOML, for charrnn train --config.", "--toml")
    ] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Show what a checkpoint holds: its model, vocabulary and parameters, and how it was trained.

    Example: charrnn info ckpt.npz
    """
    from ..checkpoint.reading import load
    from ..model.pytorch import exported_shapes

    if as_json and as_toml:
        raise UsageError("--json and --toml are both given", "choose one")
    loaded = load(checkpoint)
    if as_toml:
        return print(toml(loaded.meta))
    arrays = exported_shapes(loaded.network.layout)
    facts = loaded.meta | {
        "parameters": loaded.network.layout.size,
        "vocabulary": loaded.vocabulary.text,
        "arrays": {name: list(shape) for name, shape in arrays.items()},
    }
    print(json_line(facts) if as_json else "\n".join(lines(for_people(facts))))


def for_people(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts without repetitions, with the validation losses as a sparkline."""
    shown = dict(facts)
    for name, told in (("training", facts), ("progress", {"history", "best"})):
        if isinstance(facts.get(name), dict):
            shown[name] = {key: value for key, value in facts[name].items() if key not in told}
    if losses := validation_losses(facts):
        shown["history"] = f"{sparkline(losses)}  validation {losses[0]:.3f} to {losses[-1]:.3f}"
    if isinstance(commands := shown.pop("commands", None), list) and commands:
        shown["command"] = [str(command) for command in commands]
    return shown


def validation_losses(facts: dict[str, Any]) -> list[float]:
    """Return the finite validation losses, ignoring malformed entries: anybody may have made the file."""
    progress = facts.get("progress")
    history = progress.get("history") if isinstance(progress, dict) else facts.get("history")
    pairs = [pair for pair in history if isinstance(pair, list)] if isinstance(history, list) else []
    return [loss for *_, loss in filter(None, pairs) if isinstance(loss, float) and isfinite(loss)]


def lines(facts: dict[str, Any]) -> list[str]:
    """Return a `name  value` line for each fact, and an indented one for each entry of a nested table."""
    shown = []
    for name, value in facts.items():
        if isinstance(value, dict):
            shown.append(name)
            shown += [f"  {key:<20}  {plain(entry)}" for key, entry in value.items()]
        elif name == "command" and isinstance(value, list):
            names = [name, *["then"] * (len(value) - 1)]
            shown += [f"{each:<22}  {plain(command)}" for each, command in zip(names, value, strict=True)]
        elif value not in ([], {}, ""):
            shown.append(f"{name:<22}  {plain(value)}")
    return shown


def plain(value: object) -> str:
    """Return a value as text that is safe to print on a terminal."""
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else visible(str(value))
