"""Threads that share work."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from .ranks import ALONE, Ranks


class Team:
    """Threads that share work; kernels release the interpreter's lock, so they truly run side by side."""

    def __init__(self, threads: int = 0, ranks: Ranks = ALONE):
        """threads: 0 means every core this process may use, shared evenly with ranks that may use it too."""
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        self.threads = threads or max(1, len(cores) // ranks.ranks_on_cores)
        self._pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None

    def each(self, work: Callable[[int], None], items: int, grain: int = 1) -> None:
        """Call work(0) .. work(items - 1); the caller's thread takes part.  The first error is raised.

        grain: as many items as waking a thread costs; with fewer for each, fewer threads take part.
        """
        numbers = count()

        def take() -> None:
            while (number := next(numbers)) < items:
                work(number)

        helpers = min(self.threads, items // grain) - 1
        futures = [self._pool.submit(take) for _ in range(helpers)] if self._pool else []
        try:
            take()
        finally:
            for future in futures:
                future.result()

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown()
