"""exp, sigmoid, tanh and softmax with cross-entropy, written so that their loops vectorise.

float64, which checks gradients, uses the exact functions of the C library. float32 uses one
branch-free polynomial for all three, since a loop over math.exp or math.tanh stays scalar.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from .jit import choice, jit, reduction

LOG2_E = np.float32(1 / math.log(2))
LN2_HIGH = np.float32(0.693359375)  # 355/512 has 9 bits, so n * LN2_HIGH is exact
LN2_LOW = np.float32(math.log(2) - 0.693359375)
LOWEST, HIGHEST = np.float32(-87.3), np.float32(88.3)  # e**x is a normal float32 between
TANH_ONE = np.float32(9.1)  # from here on, tanh x rounds to 1 in float32
HALF, ONE, TWO = np.float32(0.5), np.float32(1), np.float32(2)
# e^r = 1 + r + r^2 (1/2! + r/3! + ... ); for |r| <= ln(2)/2 what follows r^7/7! is below 6e-9
C7, C6, C5, C4, C3 = (np.float32(1 / math.factorial(k)) for k in (7, 6, 5, 4, 3))


@jit
def _exp_parts(x):
    """(s, p) with e^x = s (1 + p): s = 2^n exactly, p = e^r - 1 for x = n ln 2 + r, |r| <= ln(2)/2."""
    n = np.rint(x * LOG2_E)
    r = x - n * LN2_HIGH - n * LN2_LOW
    p = r + r * r * (HALF + r * (C3 + r * (C4 + r * (C5 + r * (C6 + r * C7)))))
    s = np.int32((np.int32(n) + 127) << 23).view(np.float32)
    return s, p


@jit
def _exp32(x):
    # comparisons, not min() and max(), so that NaN passes through
    x = LOWEST if x < LOWEST else x
    x = HIGHEST if x > HIGHEST else x
    s, p = _exp_parts(x)
    return s + s * p


@jit
def _sigmoid32(x):
    return ONE / (ONE + _exp32(-x))


@jit
def _tanh32(x):
    x = -TANH_ONE if x < -TANH_ONE else x
    x = TANH_ONE if x > TANH_ONE else x
    s, p = _exp_parts(TWO * x)
    e = (s - ONE) + s * p  # e^2x - 1, to full relative accuracy also near 0
    return e / (e + TWO)


@jit
def _exp64(x):
    return math.exp(x)


@jit
def _sigmoid64(x):
    return 1 / (1 + math.exp(-x))


@jit
def _tanh64(x):
    return math.tanh(x)


@choice
def exp(x):
    """e**x of a scalar, inside a kernel."""
    return _exp32 if x == types.float32 else _exp64


@choice
def _sigmoid(x):
    return _sigmoid32 if x == types.float32 else _sigmoid64


@choice
def _tanh(x):
    return _tanh32 if x == types.float32 else _tanh64


@jit
def sigmoid(x):
    """x becomes 1 / (1 + e^-x), in place, for a contiguous vector."""
    for k in range(x.size):
        x[k] = _sigmoid(x[k])


@jit
def tanh(x):
    """x becomes tanh x, in place, for a contiguous vector."""
    for k in range(x.size):
        x[k] = _tanh(x[k])


@reduction
def largest(x):
    """The largest of a vector that is not empty."""
    m = x[0]
    for k in range(x.size):
        m = x[k] if x[k] > m else m
    return m


@reduction
def total(x):
    """The sum of a vector."""
    t = x.dtype.type(0)
    for k in range(x.size):
        t += x[k]
    return t


@jit
def softmax_cross_entropy(logits, targets, nats):
    """Each row of logits becomes its probabilities p; nats[row] = -ln p[target].

    Shapes: logits (N, V); targets, nats (N,); nats is float64.
    Subtracting the largest logit first changes nothing and keeps e^x from overflowing.
    """
    for row in range(targets.size):
        p = logits[row]
        target = p[targets[row]]
        highest = largest(p)
        for k in range(p.size):
            p[k] = exp(p[k] - highest)
        sum_ = total(p)
        nats[row] = math.log(np.float64(sum_)) + np.float64(highest) - np.float64(target)
        share = np.reciprocal(sum_)
        for k in range(p.size):
            p[k] *= share


@jit
def softmax_cross_entropy_backward(p, targets, scale):
    """p becomes scale (p - onehot(target)): scale times the gradient of the sum of nats by the logits."""
    one, factor = p.dtype.type(1), p.dtype.type(scale)
    for row in range(targets.size):
        dlogits = p[row]
        dlogits[targets[row]] -= one
        for k in range(dlogits.size):
            dlogits[k] *= factor
