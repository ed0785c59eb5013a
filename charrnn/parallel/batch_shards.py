"""The shards of a minibatch."""

from __future__ import annotations

LARGEST = 16  # sequences of a shard
SMALLEST = 4  # of a half, which runs at nearly the rate of 8; one of 2 has little more than half of it


def cut(batch: int) -> list[slice]:
    """A minibatch's shards, by its size alone, because the order of sums depends on them.

    Of 16 sequences each; less than two of these are halved, so that a small minibatch is two cores' work too.
    """
    size = min(LARGEST, max(SMALLEST, -(-batch // 2)))
    return [slice(start, min(start + size, batch)) for start in range(0, batch, size)]
