"""Ctrl-C, SIGTERM and SIGHUP: the first ends training after the current step, the second at once.

SIGUSR1 and SIGXCPU, with which schedulers warn of a limit, also end training after the step, but never count
as the second: a limit on CPU time repeats its signal every second.
While kernels compile nothing can be lost, and the first signal ends the process at once, by os._exit: an
exception would be swallowed where LLVM calls Python.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

from ..system.new_threads import start
from .console import note, stderr

WARNINGS = [number for name in ("SIGUSR1", "SIGXCPU") if (number := getattr(signal, name, None))]
ORDERS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
STOPPING = "stopping after this step; interrupt again to stop at once"
UNTRAINED = "stopped before the first step"


class Stopper:
    """While entered, ends the run on a signal; afterwards `code` is the exit code, 0 without a signal.

    Once `training` is set, the first signal calls `stop`; before that, it calls `forget`, which removes what
    was begun.
    """

    def __init__(self, stop: Callable[[], None], forget: Callable[[], None], quiet: bool = False):
        self._stop, self._forget, self._quiet, self.code, self.training = stop, forget, quiet, 0, False
        self._ordered = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Stopper:
        for number in (*ORDERS, *WARNINGS):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.code and number in WARNINGS:
            return
        if self._ordered:
            self._leave()
        self._ordered = number in ORDERS
        self.code = self.code or 128 + number
        self._stop()
        # in a thread, since the code that the signal interrupted may be writing to stderr
        speaker = threading.Thread(target=self._say if self.training else self._say_and_leave)
        if not start(speaker) and not self.training:
            self._forget()
            self._leave()

    def _say(self) -> None:
        note(STOPPING, self._quiet)

    def _say_and_leave(self) -> None:
        note(UNTRAINED, self._quiet)
        self._forget()
        self._leave()

    def _leave(self) -> None:
        from ..kernels.cache import abandon

        try:
            abandon()
            if stderr().is_terminal:
                os.write(2, b"\x1b[?25h\n")  # a live display hides the cursor
        finally:
            os._exit(self.code)
