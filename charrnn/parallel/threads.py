"""Threads that share work."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from ..system.cpus import available_cpus
from .ranks import ALONE, Ranks

LIMITED = "the system allows no more (see ulimit -u, or the container's process limit)"


class Team:
    """Threads that share work. They run in parallel, because kernels release the interpreter's lock."""

    def __init__(self, threads: int = 0, ranks: Ranks = ALONE, most: int = 0):
        """threads: 0 means every CPU this process may use, shared evenly with other ranks that may use it.

        If the system allows fewer threads, `note` reports it.  most: the number that has work; 0: no limit.
        """
        wanted = threads or max(1, available_cpus() // ranks.ranks_on_cores)
        wanted = min(wanted, most or wanted)
        # start all threads now, so that none is missing in the middle of the work
        self._process = os.getpid()
        self._helpers: list[ThreadPoolExecutor] = []
        while len(self._helpers) < wanted - 1 and (helper := _helper()):
            self._helpers.append(helper)
        self.threads = len(self._helpers) + 1
        self.note = f"{self.threads} of {wanted} threads: {LIMITED}" if self.threads < wanted else ""

    def each(self, work: Callable[[int], None], items: int, grain: int = 1) -> None:
        """Call work(0) .. work(items - 1), also on the caller's thread, and raise the first error.

        grain: how many items take as long as waking a thread; fewer threads work if each would get fewer.
        """
        if os.getpid() != self._process:  # a forked process has only the thread that forked
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
        """End the threads."""
        for helper in self._helpers:
            helper.shutdown()


def _helper() -> ThreadPoolExecutor | None:
    """Start one thread; return None if the system allows no more."""
    helper = ThreadPoolExecutor(1)
    try:
        helper.submit(int).result()
    except RuntimeError:  # the thread cannot be started
        return None
    return helper
