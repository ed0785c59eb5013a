"""Passes over the flat vectors: adding shards' gradients, and the norm.

Each works on the range [start, stop), so that threads share a vector in blocks. The blocks' size is
fixed, never taken from the number of threads, so every sum is made in the same order.
"""

from __future__ import annotations

import numpy as np

from .jit import jit, reduction

BLOCK = 1 << 15  # elements: the gradients of four shards fit the second-level cache


@jit
def add_shards(grads, start, stop):
    """grads[0] becomes the sum of all rows, added in a fixed binary tree.  Shapes: grads (shards, size)."""
    shards, step = grads.shape[0], 1
    while step < shards:
        for i in range(0, shards - step, 2 * step):
            total, other = grads[i, start:stop], grads[i + step, start:stop]
            for k in range(total.size):
                total[k] += other[k]
        step *= 2


@reduction
def sum_of_squares(x, start, stop):
    """In float64, which neither overflows nor loses small terms."""
    part, total = x[start:stop], 0.0
    for k in range(part.size):
        total += np.float64(part[k]) * np.float64(part[k])
    return total
