"""Shards over threads, and the fixed tree that adds their gradients: the same bits on any number."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np

from .kernels import update
from .network import Network
from .parameters import Array
from .text import Ids

SHARD = 16  # sequences in a shard: fixed, because the order of sums depends on it


GRAIN = 4  # blocks of a flat vector that take as long as waking a thread, about 50 us


class Team:
    """Threads that share work; kernels release the interpreter's lock, so they truly run side by side."""

    def __init__(self, threads: int = 0):
        """threads: 0 means every core this process may use."""
        self.threads = threads or len(
            os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        )
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


def cut(batch: int) -> list[slice]:
    """A minibatch's shards, by its size alone."""
    return [slice(start, min(start + SHARD, batch)) for start in range(0, batch, SHARD)]


class DataParallel:
    """A minibatch's loss and gradient, computed shard by shard."""

    def __init__(self, network: Network, batch: int, steps: int, team: Team):
        self.network, self.team, self.cuts = network, team, cut(batch)
        self.shards = [network.shard(c.stop - c.start, steps, dropout=True) for c in self.cuts]
        self.grads: Array = np.zeros((len(self.cuts), network.layout.size), network.flat.dtype)
        self.views = [network.layout.views(row) for row in self.grads]
        self.blocks = range(0, network.layout.size, update.BLOCK)
        self._nats = np.zeros(len(self.cuts))
        self._squares = np.zeros(len(self.blocks))

    @property
    def grad(self) -> Array:
        grad: Array = self.grads[0]
        return grad

    def gradient(
        self,
        inputs: Ids,
        targets: Ids,
        keys: list[int],
        forcing: float = 1.0,
        rngs: Sequence[np.random.Generator] = (),
    ) -> tuple[float, float]:
        """Loss (nats per character) and norm of its gradient, which stands in `grad` until the next call.

        Shapes: inputs, targets (B, T).  keys: one for each shard's dropout.
        forcing: below 1, the share of true inputs (see Shard.student_inputs), drawn with a generator a shard.
        """
        self.network.pack()
        scale = 1 / inputs.size

        def run(number: int) -> None:
            rows, shard = self.cuts[number], self.shards[number]
            read = inputs[rows]
            if forcing < 1:
                read = shard.student_inputs(read, forcing, rngs[number], keys[number])
            self._nats[number] = shard.gradient(
                read, targets[rows], self.grads[number], self.views[number], scale, keys[number]
            )

        def add(block: int) -> None:
            start, stop = self._range(block)
            update.add_shards(self.grads, start, stop)
            self._squares[block] = update.sum_of_squares(self.grad, start, stop)

        self.team.each(run, len(self.cuts))
        self.team.each(add, len(self.blocks), GRAIN)
        return float(self._nats.sum()) * scale, float(np.sqrt(self._squares.sum()))

    def update(self, step: Callable[[int, int], None]) -> None:
        """Call step(start, stop) for all blocks of the flat vector."""
        self.team.each(lambda block: step(*self._range(block)), len(self.blocks), GRAIN)

    def _range(self, block: int) -> tuple[int, int]:
        start = self.blocks[block]
        return start, min(start + update.BLOCK, self.network.layout.size)
