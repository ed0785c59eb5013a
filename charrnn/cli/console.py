"""Where words go: notes and errors to stderr, results to stdout."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

WIDE = 10_000  # columns where there is no terminal: a line stays a line
SLOW = 1.0  # seconds after which a wait is explained


def stderr() -> Console:
    """For people: colour and pictures on a terminal alone; NO_COLOR and TERM=dumb are honoured."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDE)


def note(text: str, quiet: bool = False) -> None:
    if not quiet:
        stderr().print(Text(text, style="dim"))


def fail(text: str) -> None:
    """The line that ends a command that could not do what was asked."""
    console = stderr()
    console.print(Text("charrnn: ", style="bold red").append(text, style="not bold default"), soft_wrap=True)


@contextmanager
def explain_wait(text: str, quiet: bool = False) -> Iterator[None]:
    """Say `text` if what is done inside takes longer than a second."""
    timer = threading.Timer(SLOW, note, (text, quiet))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


COMPILING = "compiling kernels, first run only (some seconds)"
