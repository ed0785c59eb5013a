"""The shards of a minibatch."""

from __future__ import annotations

SHARD = 16  # sequences in a shard: fixed, because the order of sums depends on it


def cut(batch: int) -> list[slice]:
    """A minibatch's shards, by its size alone."""
    return [slice(start, min(start + SHARD, batch)) for start in range(0, batch, SHARD)]
