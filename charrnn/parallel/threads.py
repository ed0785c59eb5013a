"""Threads that share work."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from ..system.cpus import available_cpus
from .ranks import ALONE, Ranks

LIMITED = "the system gives no more (ulimit -u, or a container's limit of processes)"


class Team:
    """Threads that share work; kernels release the interpreter's lock, so they truly run side by side."""

    def __init__(self, threads: int = 0, ranks: Ranks = ALONE, most: int = 0):
        """threads: 0 means every CPU this process may use, shared evenly with ranks that may use it too.

        Fewer where the system gives no more, and `note` says so.  most: for so many there is work; 0: any.
        """
        wanted = threads or max(1, available_cpus() // ranks.ranks_on_cores)
        wanted = min(wanted, most or wanted)
        # each has one thread, which runs from now on: none is missing in the midst of the work
        self._process = os.getpid()
        self._helpers: list[ThreadPoolExecutor] = []
        while len(self._helpers) < wanted - 1 and (helper := _helper()):
            self._helpers.append(helper)
        self.threads = len(self._helpers) + 1
        self.note = f"{self.threads} of {wanted} threads: {LIMITED}" if self.threads < wanted else ""

    def each(self, work: Callable[[int], None], items: int, grain: int = 1) -> None:
        """Call work(0) .. work(items - 1); the caller's thread takes part.  The first error is raised.

        grain: as many items as waking a thread costs; with fewer for each, fewer threads take part.
        """
        if os.getpid() != self._process:  # a fork has no threads but the one that forked
            self._helpers, self._process = [], os.getpid()
        numbers = count()

        def take() -> None:
            while (number := next(numbers)) < items:
                work(number)

        helpers = min(len(self._helpers) + 1, items // grain) - 1
        futures = [helper.submit(take) for helper in self._helpers[: max(0, helpers)]]
        try:
            take()
        finally:
            for future in futures:
                future.result()

    def close(self) -> None:
        """The threads end."""
        for helper in self._helpers:
            helper.shutdown()


def _helper() -> ThreadPoolExecutor | None:
    """One thread that runs; None if the system gives no more."""
    helper = ThreadPoolExecutor(1)
    try:
        helper.submit(int).result()
    except RuntimeError:  # can't start new thread
        return None
    return helper
