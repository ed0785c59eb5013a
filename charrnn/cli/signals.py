"""Ctrl-C, SIGTERM and SIGHUP: the first ends training after the current step, the second at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType

from .console import note

NAMES = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopper:
    """While entered, a signal calls `stop`; afterwards `code` is the exit code it asks for, 0 without one."""

    def __init__(self, stop: Callable[[], None]):
        self._stop, self.code = stop, 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Stopper:
        for name in NAMES:
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.code:
            os._exit(self.code)
        self.code = 128 + number
        self._stop()
        note("stopping after this step; once more to leave at once")
