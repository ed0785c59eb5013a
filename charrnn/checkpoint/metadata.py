"""Parse the JSON metadata of a checkpoint, and check all of it, so that later code can trust its values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..config import LONGEST_TIME, ModelConfig, TrainConfig
from .run_progress import Progress

FORMAT = 1
LONGEST_META = 1 << 19  # bytes; the costliest JSON takes 25 times that in memory
LONGEST_NUMBER = 18  # digits that fit in 64 bits
SCALARS = (str, int, float, bool)
TABLES: dict[str, dict[str, Any]] = {
    "model": asdict(ModelConfig()),
    "training": asdict(TrainConfig()),
    "corpus": dict.fromkeys(("chars", "train", "val", "test", "vocab"), 0) | {"sha256": "", "val_sha256": ""},
    "test": {"loss": 0.0, "bpc": 0.0, "perplexity": 0.0},
    "metrics": {"step": 0, "epoch": 0.0, "loss": 0.0, "bpc": 0.0, "perplexity": 0.0},
}
KINDS: dict[str, Any] = {"format": 0, "version": "", "python": "", "numpy": "", "numba": ""}
KINDS |= {"level": "", "command": "", "commands": [], "init_sha256": "", "fitted": "", "seed": 0}
KINDS |= {"history": [], "progress": {}, **TABLES}


class NewerFormat(Exception):
    """A file in a format that only a later version can read."""


def parse(text: bytes) -> dict[str, Any]:
    """Parse metadata.  Errors: ValueError for invalid metadata; NewerFormat; RecursionError."""
    if len(text) > LONGEST_META:
        raise ValueError(f"its meta has {len(text):,} bytes, more than {LONGEST_META:,}")
    meta = json.loads(text.decode(), object_pairs_hook=_table, parse_int=_whole)
    if not isinstance(meta, dict) or type(meta.get("format")) is not int:
        raise ValueError("its meta has no format")
    if meta["format"] > FORMAT:
        raise NewerFormat(f"has format {meta['format']}, but this version reads only up to format {FORMAT}")
    _check(meta)
    return meta


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("its meta has a name twice")
    if odd := [name for name in table if not name.isidentifier()]:
        raise ValueError(f"its meta has the name {odd[0]!r}")
    return table


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"its meta has a number of {len(digits)} digits")
    return int(digits)


def _check(meta: dict[str, Any]) -> None:
    """Raise ValueError for harmful values; names that this version does not know are allowed."""
    _typed("meta", meta, KINDS)
    if meta["format"] < 1 or "model" not in meta:
        raise ValueError("its meta has no model, or an unknown format")
    for name, value in meta.items():
        if isinstance(value, dict) and name != "progress":
            _flat(name, value, TABLES.get(name, {}))
        elif name == "history":
            _check_history(value)
        elif name == "commands":
            if not all(type(command) is str for command in value):
                raise ValueError("its meta has commands that are not strings")
        elif name != "progress" and type(value) not in SCALARS:
            raise ValueError(f"its meta has a {name} of type {type(value).__name__}")
    if unknown := meta["model"].keys() - TABLES["model"].keys():
        raise ValueError(f"its model has the unknown option {min(unknown)!r}")
    known = meta.get("training", {}).items()
    config = TrainConfig(**{name: value for name, value in known if name in TABLES["training"]})
    if not (config.encoding.isascii() and config.encoding.isprintable()):
        raise ValueError(f"its training has the encoding {config.encoding!r}")
    if "progress" in meta:
        if not meta.keys() >= {"training", "corpus", "command"}:
            raise ValueError("its meta has progress, but lacks training, corpus or command")
        _check_progress(meta["progress"], bool(meta["corpus"].get("val")))


def _check_progress(progress: dict[str, Any], evaluated: bool) -> None:
    kinds = asdict(Progress())
    _typed("progress", progress, kinds)
    if unknown := progress.keys() - kinds.keys():
        raise ValueError(f"its progress has the unknown name {min(unknown)!r}")
    best = progress.get("best", {})
    _flat("best", best, TABLES["metrics"])
    _check_history(progress.get("history", []))
    if best and not best.keys() >= ({"step", "loss"} if evaluated else {"step"}):
        raise ValueError("its progress has a best model without step or loss")
    counts = [value for value in progress.values() if type(value) is int]
    seconds = [progress.get(name, 0.0) for name in ("seconds", "schedule_s")]
    if (
        min(counts, default=0) < 0
        or not 0 <= progress.get("lr_scale", 1) <= 1
        or not all(0 <= value <= 2 * LONGEST_TIME for value in seconds)
        or progress.get("schedule_step", 0) > progress.get("step", 0)
    ):
        raise ValueError("its progress has a value that training cannot reach")


def _check_history(rows: list[Any]) -> None:
    """Raise ValueError unless each row is [step, loss], as of an evaluation."""
    for row in rows:
        kinds = [type(value) for value in row] if type(row) is list else []
        if kinds not in ([int, float], [int, int]) or row[1] < 0:
            raise ValueError("its history is not a list of steps and losses")


def _flat(what: str, table: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise ValueError unless the table holds only numbers and strings, of the right types where known."""
    _typed(what, table, defaults)
    for name, value in table.items():
        if type(value) not in SCALARS:
            raise ValueError(f"its {what} has a {name} of type {type(value).__name__}")


def _typed(what: str, table: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise ValueError unless known values have the types of their defaults; an int may be a float."""
    for name in table.keys() & defaults.keys():
        found, wanted = type(table[name]), type(defaults[name])
        if found is not wanted and (found, wanted) != (int, float):
            raise ValueError(f"its {what} has a {name} of type {found.__name__}, not {wanted.__name__}")
