"""The optimizers' steps, as PyTorch defines them, over a block of the flat vector.

Each is `NAME(w, g, slots, lr, step, decay)`. w: the parameters, updated in place; g: their clipped gradient,
which may be overwritten; slots (SLOTS[NAME], size): the optimizer's state, 0 before the first step; step:
counts from 1; decay: weight decay, an L2 penalty except for adamw.  Cost: one pass over the block.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import jit

SLOTS = {"sgd": 0, "momentum": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2}


@jit
def clip(g, factor, limit):
    """Multiply g by factor (global norm clipping), then clip elements to +-limit; 0: no limit."""
    scale, top = g.dtype.type(factor), g.dtype.type(limit if limit > 0 else np.inf)
    for k in range(g.size):
        x = g[k] * scale
        x = top if x > top else x
        g[k] = -top if x < -top else x


@jit
def clamp(w, limit):
    """Clip each parameter to +-limit."""
    top = w.dtype.type(limit)
    for k in range(w.size):
        x = top if w[k] > top else w[k]
        w[k] = -top if x < -top else x


@jit
def _add_decay(w, g, decay):
    share = g.dtype.type(decay)
    for k in range(g.size):
        g[k] += share * w[k]


@jit
def sgd(w, g, slots, lr, step, decay):
    """w -= lr g"""
    _add_decay(w, g, decay)
    rate = w.dtype.type(lr)
    for k in range(w.size):
        w[k] -= rate * g[k]


@jit
def momentum(w, g, slots, lr, step, decay):
    """m = 0.9 m + g;  w -= lr m   (Polyak 1964)"""
    _add_decay(w, g, decay)
    rate, keep, m = w.dtype.type(lr), w.dtype.type(0.9), slots[0]
    for k in range(w.size):
        m[k] = keep * m[k] + g[k]
        w[k] -= rate * m[k]


@jit
def adagrad(w, g, slots, lr, step, decay):
    """v += g^2;  w -= lr g / (sqrt(v) + 1e-10)   (Duchi et al. 2011)"""
    _add_decay(w, g, decay)
    rate, epsilon, v = w.dtype.type(lr), w.dtype.type(1e-10), slots[0]
    for k in range(w.size):
        v[k] += g[k] * g[k]
        w[k] -= rate * g[k] / (np.sqrt(v[k]) + epsilon)


@jit
def rmsprop(w, g, slots, lr, step, decay):
    """v = 0.99 v + 0.01 g^2;  w -= lr g / (sqrt(v) + 1e-8)   (Tieleman & Hinton 2012)"""
    _add_decay(w, g, decay)
    number, v = w.dtype.type, slots[0]
    rate, keep, rest, epsilon = number(lr), number(0.99), number(1 - 0.99), number(1e-8)
    for k in range(w.size):
        v[k] = keep * v[k] + rest * (g[k] * g[k])
        w[k] -= rate * g[k] / (np.sqrt(v[k]) + epsilon)


@jit
def _power(x, n):
    """Return x^n by repeated squaring, for an integer n >= 0."""
    result = 1.0
    while n > 0:
        result, x, n = (result * x if n & 1 else result), x * x, n >> 1
    return result


@jit
def adam(w, g, slots, lr, step, decay):
    """m = 0.9 m + 0.1 g;  v = 0.999 v + 0.001 g^2;  w -= lr m' / (sqrt(v') + 1e-8)   (Kingma & Ba 2015)

    m' and v' are m and v divided by 1 - 0.9^step and 1 - 0.999^step.
    """
    _add_decay(w, g, decay)
    number, m, v = w.dtype.type, slots[0], slots[1]
    keep_m, rest_m, keep_v, rest_v = number(0.9), number(1 - 0.9), number(0.999), number(1 - 0.999)
    rate, epsilon = number(lr / (1 - _power(0.9, step))), number(1e-8)
    correction = number(1 / math.sqrt(1 - _power(0.999, step)))
    for k in range(w.size):
        m[k] = keep_m * m[k] + rest_m * g[k]
        v[k] = keep_v * v[k] + rest_v * (g[k] * g[k])
        w[k] -= rate * m[k] / (np.sqrt(v[k]) * correction + epsilon)


@jit
def adamw(w, g, slots, lr, step, decay):
    """w -= lr decay w, then Adam's step without decay   (Loshchilov & Hutter 2019)"""
    keep = w.dtype.type(1 - lr * decay)
    for k in range(w.size):
        w[k] *= keep
    adam(w, g, slots, lr, step, 0.0)
