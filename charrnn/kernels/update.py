"""Passes over the flat vectors: adding shards' gradients, the norm, and the optimiser's step.

Each works on the range [start, stop), so that threads share a vector in blocks. The blocks' size is
fixed, never taken from the number of threads, so every sum is made in the same order.
"""

from __future__ import annotations

import math

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


@jit
def adam(flat, grad, m, v, start, stop, factor, lr, step):
    """One step of Adam (Kingma & Ba 2015, algorithm 1), as PyTorch has it, on factor times the gradient.

    m, v: running means of the gradient and of its square, 0 before the first step, which is number 1.
    """
    number = flat.dtype.type
    beta1, beta2, epsilon = number(0.9), number(0.999), number(1e-8)
    rest1, rest2, scale = number(1 - 0.9), number(1 - 0.999), number(factor)
    rate = number(lr / (1 - 0.9**step))
    correction = number(1 / math.sqrt(1 - 0.999**step))
    flat, grad, m, v = flat[start:stop], grad[start:stop], m[start:stop], v[start:stop]
    for k in range(flat.size):
        g = grad[k] * scale
        m[k] = beta1 * m[k] + rest1 * g
        v[k] = beta2 * v[k] + rest2 * g * g
        flat[k] -= rate * m[k] / (np.sqrt(v[k]) * correction + epsilon)
