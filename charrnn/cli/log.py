"""The log of a run: one JSON object per line, in whole lines only, so that it stays valid after a kill."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from ..errors import CharrnnError
from ..system.stdio import STDIO, name_of
from ..training.events import Evaluating, Event, Start, Step
from .output import json_line

EVERY = 10  # steps between logged steps


class JsonLog:
    """Logs the events it is called with; of the steps, only the first, the last and every tenth.

    path: - is stdout.
    """

    def __init__(self, path: Path, append: bool = False):
        self.path, self._append, self._last = path, append, 0
        self._held = ExitStack()
        self.lacking = ""  # a note on what its file system cannot do

    def __enter__(self) -> JsonLog:
        if self.path == STDIO:
            self._file = sys.stdout
            return self
        from ..system.lock import hold_open

        try:
            self._file = self._held.enter_context(self.path.open("a", encoding="utf-8"))
            if self.path.is_file():  # not a device, which several runs may share
                self.lacking = hold_open(self.path, self._file.fileno())
                self._file.truncate(_whole_lines(self.path) if self._append else 0)
        except BlockingIOError:
            self._held.close()
            raise CharrnnError(
                f"another run is writing to {self.path}", "choose another --log, or end that run"
            ) from None
        except OSError as error:
            self._held.close()
            raise self._failure(error) from None
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(OSError):  # the failed write has been reported
            self._held.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Evaluating):  # only for the display; its end is logged
            return
        if isinstance(event, Start):
            self._last = event.total_steps
        if isinstance(event, Step) and event.step % EVERY and event.step not in (1, self._last):
            return
        try:
            self._file.write(json_line(event.record()) + "\n")
            self._file.flush()
        except BrokenPipeError:  # the reader has had enough
            raise
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> CharrnnError:
        name = name_of(self.path, "stdout")
        return CharrnnError(f"{name} cannot be written: {error.strerror}", "choose another --log")


def _whole_lines(path: Path) -> int:
    """Return the number of bytes in whole lines: a kill may have cut the last one short."""
    return path.read_bytes().rfind(b"\n") + 1
