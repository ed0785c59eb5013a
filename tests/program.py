"""Running the real program: in a pipe, in a shell, or on a terminal of its own."""

from __future__ import annotations

import codecs
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LINES = "The \x1b[31mred\x1b[0m fox said:\ta\u00e9 \u8a9e, \x9b and \x07 are odd.\r\nWas it? It was.\n"
TEXT = LINES * 40
UNIX = TEXT.replace("\r\n", "\n")  # causes no notes
SMALL = ["--cell", "rnn", "--hidden-size", "8", "--seq-len", "16", "--batch-size", "4", "--threads", "2"]
ENDLESS = [*SMALL, "--epochs", "1e9", "--eval-every", "1000000"]
PATIENCE = 240.0  # seconds after which a program counts as hung
BENT_BY = {
    *("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "GITHUB_ACTIONS"),
    *("COLUMNS", "LINES", "PYTHONUNBUFFERED", "PYTHONIOENCODING", "CHARRNN_DEBUG"),
}


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without variables that affect colors, widths and streams."""
    kept = {name: value for name, value in os.environ.items() if name not in BENT_BY}
    return kept | {"TERM": "xterm-256color"} | changes


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "charrnn", *map(str, arguments)]


@dataclass
class Outcome:
    code: int
    out: bytes
    err: str


def run(*arguments: object, cwd: Path, stdin: bytes = b"", **changes: str) -> Outcome:
    """`charrnn ARGUMENTS` with pipes for stdin, stdout and stderr."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env=environment(**changes),
        timeout=PATIENCE,
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def shell(line: str, cwd: Path) -> Outcome:
    """Run a line of bash with $CHARRNN as the program, and return the exit code of its first command."""
    program = environment(CHARRNN=" ".join(command()))
    done = subprocess.run(
        ["bash", "-c", f"{line}\nexit ${{PIPESTATUS[0]}}"],
        cwd=cwd,
        capture_output=True,
        env=program,
        timeout=PATIENCE,
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def heed_signals() -> None:
    """Reset SIGINT: a suite in the background ignores it, and children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """Run `charrnn ARGUMENTS` with all three streams on a pseudo-terminal."""

    def __init__(self, *arguments: object, cwd: Path, columns: int, rows: int, **changes: str):
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        self.process = subprocess.Popen(
            command(*arguments),
            cwd=cwd,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment(**changes),
            preexec_fn=heed_signals,
        )
        os.close(slave)
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a block may end inside a character

    def read(self, until: str | None = None) -> str:
        """Return the output up to `until`, or to the end."""
        deadline = time.monotonic() + PATIENCE
        while until is None or until not in self.shown:
            ready, _, _ = select.select([self._master], [], [], deadline - time.monotonic())
            assert ready, f"the program hangs; it showed {self.shown!r}"
            try:
                block = os.read(self._master, 65536)
            except OSError:  # Linux raises this when the other end is closed
                block = b""
            if not block:
                assert until is None, f"ended without {until!r}; it showed {self.shown!r}"
                break
            self.shown += self._decoder.decode(block)
        return self.shown

    def end(self) -> int:
        self.read()
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(
    *arguments: object, cwd: Path, columns: int = 100, rows: int = 30, **changes: str
) -> Iterator[Terminal]:
    opened = Terminal(*arguments, cwd=cwd, columns=columns, rows=rows, **changes)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def started(*arguments: object, cwd: Path, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """The program, running, with a pipe for stderr."""
    process = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**changes),
        preexec_fn=heed_signals,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)
