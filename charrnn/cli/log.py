"""The log of a run: one JSON object a line, whole lines only, so that it is valid after a kill."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import UsageError
from ..events import Event, Step

EVERY = 10  # steps between those that are logged


class JsonLog:
    """Call it with each event.  Errors: UsageError if the run's results exist and `force` is not given."""

    def __init__(self, checkpoint: Path, path: Path, force: bool):
        for existing in (checkpoint, path):
            if existing.exists() and not force:
                raise UsageError(f"{existing} exists", "choose another --out, or --force to overwrite it")
        self.path = path

    def __enter__(self) -> JsonLog:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("w", encoding="utf-8")
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Step) and event.step % EVERY:
            return
        self._file.write(json.dumps(finite(event.record()), ensure_ascii=False) + "\n")
        self._file.flush()


def finite(value: Any) -> Any:
    """JSON has no infinity: a figure that is not finite becomes null."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
