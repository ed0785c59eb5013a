"""How a minibatch is cut into shards."""

from __future__ import annotations

LARGEST = 16  # sequences in a shard
SMALLEST = 4  # sequences in a half: 4 run at nearly the rate of 8, but 2 at little more than half of it


def cut(batch: int) -> list[slice]:
    """Return a minibatch's shards. They depend only on its size, because they set the order of sums.

    A shard has 16 sequences. A batch below 32 is cut into two halves, so that two cores can share it.
    """
    size = min(LARGEST, max(SMALLEST, -(-batch // 2)))
    return [slice(start, min(start + size, batch)) for start in range(0, batch, size)]
