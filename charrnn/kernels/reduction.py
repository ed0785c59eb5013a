"""Passes over flat vectors: add the shards' gradients, and compute the norm.

Each pass works on a range [start, stop), so that threads can share a vector in blocks. The block size does
not depend on the number of threads, so every sum is made in the same order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import jit
from .sums import squares

BLOCK = 1 << 15  # elements: blocks of four shards' gradients fit into the second-level cache


def tree(shards: int) -> NDArray[np.int64]:
    """Return the binary tree that adds up shards, as pairs (i, j): add row j to row i, in this order.

    Shape (shards - 1, 2).  After a pair, row i is the sum of shards i .. min(2 j - i, shards) - 1.
    """
    steps = [1 << level for level in range(max(0, shards - 1).bit_length())]
    pairs = [(i, i + step) for step in steps for i in range(0, shards - step, 2 * step)]
    return np.array(pairs, np.int64).reshape(-1, 2)


@jit
def add_shards(grads, pairs, start, stop):
    """Add row j to row i for each pair (i, j).  Shapes: grads (rows, size), pairs (N, 2)."""
    for n in range(len(pairs)):
        total, other = grads[pairs[n, 0], start:stop], grads[pairs[n, 1], start:stop]
        for k in range(total.size):
            total[k] += other[k]


@jit
def sum_of_squares(x, start, stop):
    """Return the sum of squares in float64, which neither overflows nor loses small terms."""
    return squares(x[start:stop])
