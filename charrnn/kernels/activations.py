"""Sigmoid, tanh, and softmax with cross-entropy over vectors, in loops that the compiler vectorizes."""

from __future__ import annotations

import numpy as np

from . import elementary
from .elementary import exp, ln
from .jit import jit
from .sums import largest, total


@jit
def sigmoid(x):
    """Replace each element x of a contiguous vector by 1 / (1 + e^-x)."""
    for k in range(x.size):
        x[k] = elementary.sigmoid(x[k])


@jit
def tanh(x):
    """Replace each element x of a contiguous vector by tanh x."""
    for k in range(x.size):
        x[k] = elementary.tanh(x[k])


@jit
def softmax_cross_entropy(logits, targets, nats):
    """Replace each row of logits by its probabilities p, and set nats[row] = -ln p[target].

    Shapes: logits (N, V); targets, nats (N,); nats is float64.
    Subtracting the largest logit first leaves p the same and keeps e^x from overflowing.
    """
    for row in range(targets.size):
        p = logits[row]
        target = p[targets[row]]
        highest = largest(p)
        for k in range(p.size):
            p[k] = exp(p[k] - highest)
        sum_ = total(p)
        nats[row] = ln(np.float64(sum_)) + np.float64(highest) - np.float64(target)
        share = np.reciprocal(sum_)
        for k in range(p.size):
            p[k] *= share


@jit
def softmax_cross_entropy_backward(p, targets, scale):
    """Replace p by scale (p - onehot(target)), the logits' gradient of scale times the sum of nats."""
    one, factor = p.dtype.type(1), p.dtype.type(scale)
    for row in range(targets.size):
        dlogits = p[row]
        dlogits[targets[row]] -= one
        for k in range(dlogits.size):
            dlogits[k] *= factor
