"""Compile kernels in parallel: helper processes, one per core, fill the cache that this process reads.

Numba holds one lock, so threads would not help. The work is a list of calls, the longest compilation first.
This process starts at the end of the list, the helpers at its start. A process waits for a kernel that
another one is compiling (cache.py). A helper exits after its work, or when its standard input closes.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ..system.cpus import available_cpus
from .cache import abandon, folder, when_compiling

MOST = 3  # helpers: a run has two kernels that take long to compile, and some short ones
Calls = Callable[..., list[Callable[[], object]]]


@contextmanager
def helped(calls: Calls, *arguments: Any) -> Iterator[None]:
    """Within the context, the first compilation starts helpers that compile `calls(*arguments)` too.

    calls: a module-level function, so that a helper can import it; arguments: must be picklable.
    """
    helpers: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        shared = folder()
        if not (shared and os.access(shared, os.W_OK) and sys.executable):
            return  # this process could not read what they compile
        for number in range(min(available_cpus() - 1, MOST)):
            with suppress(OSError):  # no process can be started: this one compiles alone
                helpers.append(_start(shared.parent))
                _hand(helpers[-1], (calls.__module__, calls.__qualname__, arguments, number))

    try:
        with when_compiling(start):
            yield
    finally:
        for helper in helpers:
            assert helper.stdin
            with suppress(OSError):
                helper.stdin.close()
            helper.wait()


def compile_from_the_end(calls: Calls, *arguments: Any) -> None:
    """Do this process's part of the compilation."""
    for call in reversed(calls(*arguments)):
        call()


def _start(home: Path) -> subprocess.Popen[bytes]:
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import _help; _help()"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"NUMBA_CACHE_DIR": str(home)},
    )


def _hand(helper: subprocess.Popen[bytes], work: tuple[Any, ...]) -> None:
    assert helper.stdin
    pickle.dump(work, helper.stdin)
    helper.stdin.flush()


def _help() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides when to stop
    module, name, arguments, number = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_leave_with_stdin, daemon=True).start()
    calls: Calls = getattr(import_module(module), name)
    try:
        for call in calls(*arguments)[number:]:
            call()
    finally:
        _leave()  # a normal exit would wait for the thread that reads standard input


def _leave_with_stdin() -> None:
    sys.stdin.buffer.read()
    _leave()


def _leave() -> None:
    abandon()
    os._exit(0)
