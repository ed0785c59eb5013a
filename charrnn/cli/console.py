"""Notes, progress and error lines on stderr, and the rules for color."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any

from rich.console import Console
from rich.text import Text

from ..errors import spelled
from ..system.new_threads import can_start, start
from .options import spelled as as_option
from .output import visible

WIDE = 10_000  # columns of a stream that is not a terminal, so that no line wraps
SLOW = 1.0  # seconds after which a wait is explained
COMPILING = "compiling kernels, first run only"


class Forgiving:
    """A stream whose loss (a closed pipe, a full disk, a lost terminal) does no harm."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@cache
def stderr() -> Console:
    """Return the only console for notes, so that they appear above a live display."""
    return console(Forgiving(sys.stderr))


@cache
def stdout() -> Console:
    """Return the console for results."""
    return console(sys.stdout)


def console(stream: Any) -> Console:
    """Return a console with color on terminals only, even with FORCE_COLOR; honors NO_COLOR and TERM=dumb."""
    terminal = stream.isatty()
    size = {} if terminal and os.environ.get("TERM") != "dumb" else {"width": WIDE, "height": 25}
    return Console(file=stream, force_terminal=terminal, highlight=False, emoji=False, **size)  # type: ignore[arg-type]


def note(text: str, quiet: bool = False) -> None:
    """Print a line on stderr; nothing if the text is empty."""
    if text and not quiet:
        stderr().print(Text(visible(spelled(text, as_option)), style="dim"), soft_wrap=True)


def fail(text: str) -> None:
    """Print the error line that ends a failed command."""
    line = Text("charrnn: ", style="bold red").append(visible(text), style="not bold default")
    stderr().print(line, soft_wrap=True)


@contextmanager
def explain_compiling(
    quiet: bool = False, watch: Callable[[float | None], None] | None = None
) -> Iterator[None]:
    """Around the first call of kernels: print a note if compiling them takes longer than a second.

    watch: called with the time when compiling begins and with None when it ends, instead of printing while
    it lasts.
    """
    from ..kernels import cache as kernels  # imports Numba

    begun: list[float] = []
    waiting = ExitStack()

    def begin() -> None:
        begun.append(time.monotonic())
        if watch:
            watch(begun[0])
            waiting.callback(watch, None)
        else:
            waiting.enter_context(_waiting(COMPILING, quiet))

    try:
        with waiting, kernels.when_compiling(begin):
            yield
    finally:
        while kernels.notes:
            note(kernels.notes.pop(0), quiet)
    if begun and (seconds := time.monotonic() - begun[0]) > SLOW:
        note(f"compiled in {seconds:.1f} s", quiet)


@contextmanager
def _waiting(text: str, quiet: bool) -> Iterator[None]:
    """Print a line after a second; on a terminal, with a spinner."""
    console = stderr()
    say: Callable[[], None] = partial(note, text, quiet)
    with ExitStack() as line:
        if not (quiet or console.is_dumb_terminal) and console.is_terminal and can_start():
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = SpinnerColumn(), TextColumn(text), TimeElapsedColumn()
            progress = Progress(*columns, console=console, transient=True)
            progress.add_task("")
            say = progress.start
            line.callback(progress.stop)
        timer = threading.Timer(SLOW, say)
        if start(timer):
            line.callback(timer.join)
            line.callback(timer.cancel)
        yield
