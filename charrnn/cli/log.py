"""The log of a run: one JSON object a line, whole lines only, so that it is valid after a kill."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ..errors import CharrnnError
from ..events import Event, Start, Step
from .output import json_line

EVERY = 10  # steps between those that are logged


class JsonLog:
    """Call it with each event; of the steps, the first, the last and every tenth are logged."""

    def __init__(self, path: Path, append: bool = False):
        self.path, self._mode, self._last = path, "a" if append else "w", 0

    def __enter__(self) -> JsonLog:
        try:
            if self._mode == "a":
                _drop_torn_line(self.path)
            self._file = self.path.open(self._mode, encoding="utf-8")
        except OSError as error:
            raise self._failure(error) from None
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(OSError):  # what was not written has been told
            self._file.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Start):
            self._last = event.total_steps
        if isinstance(event, Step) and event.step % EVERY and event.step not in (1, self._last):
            return
        try:
            self._file.write(json_line(event.record()) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> CharrnnError:
        return CharrnnError(f"{self.path} cannot be written: {error.strerror}", "choose another --log")


def _drop_torn_line(path: Path) -> None:
    """A kill may have cut the last line of a log short: the next would be joined to it."""
    if path.exists():
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
