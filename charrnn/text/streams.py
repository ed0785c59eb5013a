"""Cut a text up for training: its split, and the streams whose chunks the steps read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..array_types import Ids
from ..errors import TextError


@dataclass(frozen=True)
class Split:
    """A corpus cut in three contiguous parts: training, validation and test text."""

    train: Ids
    val: Ids
    test: Ids

    @classmethod
    def of(cls, ids: Ids, val_fraction: float, test_fraction: float = 0.0) -> Split:
        """Cut a text; a validation or test text of a single character predicts nothing and is dropped.

        Errors: TextError when fewer than 2 characters are left to train on.
        """
        test_at = len(ids) - int(len(ids) * test_fraction)
        val_at = test_at - int(len(ids) * val_fraction)
        if val_at < 2:
            raise TextError(
                f"the text has {len(ids)} characters, {max(0, val_at)} of them for training",
                "training needs at least 2; use a longer text",
            )
        val, test = ids[val_at:test_at], ids[test_at:]
        return cls(ids[:val_at], val if len(val) > 1 else val[:0], test if len(test) > 1 else test[:0])


@dataclass(frozen=True)
class Streams:
    """A training text as B contiguous streams, read side by side in chunks of T characters.

    Each character is an input once per epoch, except fewer than B at the end; its target is the next one.
    """

    ids: Ids
    batch_size: int
    seq_len: int

    @classmethod
    def of(cls, ids: Ids, batch_size: int, seq_len: int) -> Streams:
        """Cut `batch_size` streams, or fewer so that each has at least a chunk, but at least one."""
        return cls(ids, max(1, min(batch_size, (len(ids) - 1) // seq_len)), seq_len)

    @property
    def length(self) -> int:
        """Characters per stream."""
        return (len(self.ids) - 1) // self.batch_size

    @property
    def longest(self) -> int:
        """Characters of the longest chunk: less than `seq_len` for a short text."""
        return min(self.seq_len, self.length)

    @property
    def chunks(self) -> int:
        """Chunks per epoch; the last may be shorter."""
        return -(-self.length // self.seq_len)

    def chunk(self, number: int) -> tuple[Ids, Ids]:
        """Return the inputs and targets (B, T) of a chunk."""
        size = self.batch_size * self.length
        start, stop = number * self.seq_len, min((number + 1) * self.seq_len, self.length)
        inputs = self.ids[:size].reshape(self.batch_size, self.length)
        targets = self.ids[1 : size + 1].reshape(self.batch_size, self.length)
        return inputs[:, start:stop], targets[:, start:stop]

    def part(self, start: int, stop: int) -> Streams:
        """Return some of the streams; their text is contiguous too, and not copied."""
        ids = self.ids[start * self.length : stop * self.length + 1]
        return Streams(ids, stop - start, self.seq_len)

    def of_epoch(self, epoch: int) -> Streams:
        """Return the streams of one epoch; here, the same for all."""
        return self

    def fresh(self, number: int) -> NDArray[np.bool_] | None:
        """Return a mask (B, T) of where documents begin in a chunk; None: nowhere."""
        return None

    def begin_after(self, number: int, symbol: int) -> Ids:
        """Return the indices of the streams whose part of a chunk begins right after a symbol."""
        before = np.arange(self.batch_size) * self.length + number * self.seq_len - 1
        return np.flatnonzero((self.ids[before] == symbol) & (before >= 0))

    def __iter__(self) -> Iterator[tuple[Ids, Ids]]:
        return (self.chunk(number) for number in range(self.chunks))
