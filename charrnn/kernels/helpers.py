"""Kernels compiled side by side: helpers, one a core, that fill the cache which this process reads.

Numba holds one lock, so threads do not help. What is to be compiled is a list of calls, the longest first;
this process makes them from its end, the helpers from its start, and whoever comes to a kernel that another
is compiling waits for it (cache.py). A helper ends with its work, or as soon as its standard input does.
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

MOST = 3  # helpers: a run has two kernels that take long, and some that do not
Calls = Callable[..., list[Callable[[], object]]]


@contextmanager
def helped(calls: Calls, *arguments: Any) -> Iterator[None]:
    """Inside, as soon as a kernel is compiled, helpers compile those of `calls(*arguments)` too.

    calls: a function of a module, so that a helper finds it; arguments: such as can be pickled.
    """
    helpers: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        shared = folder()
        if not (shared and os.access(shared, os.W_OK) and sys.executable):
            return  # nothing that they compile would be found
        for number in range(min(available_cpus() - 1, MOST)):
            with suppress(OSError):  # no more processes: this one compiles alone
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
    """The part of this process."""
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that it helps decides
    module, name, arguments, number = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_leave_with_stdin, daemon=True).start()
    calls: Calls = getattr(import_module(module), name)
    try:
        for call in calls(*arguments)[number:]:
            call()
    finally:
        _leave()  # not as usual: the thread holds standard input, for which Python would wait


def _leave_with_stdin() -> None:
    sys.stdin.buffer.read()
    _leave()


def _leave() -> None:
    abandon()
    os._exit(0)
