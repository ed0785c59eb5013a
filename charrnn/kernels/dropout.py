"""Dropout (Srivastava et al. 2014), with masks computed from a key wherever they are needed."""

from __future__ import annotations

import numpy as np

from .jit import jit


@jit
def _mix(x):
    """Hash 32 bits with Wellons's "lowbias32" (nullprogram.com, 2018): each bit of x affects every bit."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@jit
def dropout(x, out, rate, key):
    """out = x / (1 - rate) with probability 1 - rate, else 0; the same key gives the same mask.

    Shapes: x, out (N, H); they may be the same array.
    key: 64 bits. The mask is a function of (key, index) alone, so the backward pass computes it again
    instead of storing it, and neither threads nor a resumed run can change it.
    """
    low, high = np.uint32(key), np.uint32(key >> np.uint64(32))
    threshold = np.uint32(rate * 4294967296.0)
    zero, scale = x.dtype.type(0), x.dtype.type(1 / (1 - rate))
    for r in range(x.shape[0]):
        x_r, out_r, start = x[r], out[r], np.uint32(r * x.shape[1])
        for k in range(x_r.size):
            drawn = _mix(np.uint32(_mix(np.uint32((start + np.uint32(k)) ^ low)) + high))
            out_r[k] = x_r[k] * (scale if drawn >= threshold else zero)
