"""Operands of products in bfloat16, a float32 cut to 8 bits of significand: rounded, and paired along k.

Only what is multiplied is rounded: packed weights, and copies of h, x and the gradients da. Sums, and all
that is remembered, stay float32 (Kalamkar et al. 2019, "A study of bfloat16 for deep learning training").
A pair is a uint32 with the element of even k in its lower half; an odd K is padded with 0.
"""

from __future__ import annotations

import numpy as np

from .jit import jit

HALF, ONE, QUIET = np.uint32(0x7FFF), np.uint32(1), np.uint32(0x400000)
SIXTEEN, HIGH = np.uint32(16), np.uint32(0xFFFF0000)


@jit
def rounded(x):
    """The bits of float32 x, rounded to the nearest bfloat16, of two the even one: a uint32's upper half."""
    bits = np.float32(x).view(np.uint32)
    up = np.uint32(bits + np.uint32(HALF + np.uint32(np.uint32(bits >> SIXTEEN) & ONE)))
    return np.uint32((np.uint32(bits | QUIET) if x != x else up) & HIGH)  # NaN stays NaN


@jit
def pair(low, high):
    """Two float32 as one pair."""
    return np.uint32(np.uint32(rounded(low) >> SIXTEEN) | rounded(high))


@jit
def pair_columns(a, out):
    """out[m, k] = the pair of a[m, 2k] and a[m, 2k + 1].  Shapes: a (M, K), out (M, K/2 rounded up)."""
    odd = a.shape[1] % 2
    whole = out.shape[1] - odd
    for m in range(out.shape[0]):
        row, pairs = a[m], out[m]
        for k in range(whole):
            pairs[k] = pair(row[2 * k], row[2 * k + 1])
        if odd:
            pairs[whole] = rounded(row[2 * whole]) >> SIXTEEN


@jit
def pair_rows(b, out):
    """out[k, n] = the pair of b[2k, n] and b[2k + 1, n].  Shapes: b (K, N), out (K/2 rounded up, N)."""
    odd = b.shape[0] % 2
    whole = out.shape[0] - odd
    for k in range(whole):
        low, high, pairs = b[2 * k], b[2 * k + 1], out[k]
        for n in range(pairs.size):
            pairs[n] = pair(low[n], high[n])
    if odd:
        low, pairs = b[2 * whole], out[whole]
        for n in range(pairs.size):
            pairs[n] = rounded(low[n]) >> SIXTEEN
