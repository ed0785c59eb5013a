"""Which options may change when a run continues from a checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from ..config import ModelConfig, TrainConfig
from ..errors import UsageError, field

Config = TypeVar("Config", ModelConfig, TrainConfig)

# in a resumed run: when it ends and what it shows, not what it computes
RESUMED = {
    "epochs",
    "max_steps",
    "max_time",
    "patience",
    "save_every",
    "keep_last",
    "sample_every",
    "threads",
}
FINE_TUNED = {"dropout", "dtype"}  # of the model; dtype only among types with the same storage


def saved_or_given(
    kind: str, ours: Config, saved: Mapping[str, object], given: Collection[str], free: Collection[str]
) -> Config:
    """Return the saved options, with those of `free` that the user gave replaced.

    kind: model or training.  Errors: UsageError for any other given option that differs.
    """
    values: dict[str, Any] = {}
    for name in (each.name for each in fields(ours) if each.name in saved):
        now, then = getattr(ours, name), saved[name]
        differs = name in given and now != then
        if differs and name not in free:
            raise UsageError(f"{field(name)} is {now}, but the saved {kind} has {then}", "leave it out")
        values[name] = now if differs else then
    return replace(ours, **values)
