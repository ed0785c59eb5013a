"""Round the operands of matrix products to bfloat16 (float32 with an 8-bit significand), paired along k.

Only factors are rounded: packed weights, and copies of h, x and the gradients da. Sums and stored values stay
float32 (Kalamkar et al. 2019, "A study of bfloat16 for deep learning training").
A pair is a uint32 with the element of even k in its lower half. Depth, the number of pairs along k, is a
multiple of DEPTH_STEP; elements beyond K are 0.
"""

from __future__ import annotations

import numpy as np

from .jit import jit
from .lanes import LANES, pair_lanes, pair_neighbours, turn_lanes
from .processor import HAS_AMX

DEPTH_STEP = 16 if HAS_AMX else 1  # pairs that one instruction takes along k
HALF, ONE, QUIET = np.uint32(0x7FFF), np.uint32(1), np.uint32(0x400000)
SIXTEEN, HIGH = np.uint32(16), np.uint32(0xFFFF0000)


@jit
def rounded(x):
    """Round float32 x to the nearest bfloat16, ties to even; its bits are the upper half of a uint32."""
    bits = np.float32(x).view(np.uint32)
    up = np.uint32(bits + np.uint32(HALF + np.uint32(np.uint32(bits >> SIXTEEN) & ONE)))
    return np.uint32((np.uint32(bits | QUIET) if x != x else up) & HIGH)  # NaN stays NaN


@jit
def pair(low, high):
    """Round two float32 and pack them into one pair."""
    return np.uint32(np.uint32(rounded(low) >> SIXTEEN) | rounded(high))


def depth_of(k: int) -> int:
    """Return the number of pairs that hold K numbers."""
    return (k + 2 * DEPTH_STEP - 1) // (2 * DEPTH_STEP) * DEPTH_STEP


depth = jit(depth_of)  # inside kernels


@jit
def pair_columns(a, out):
    """out[m, k] = the pair of a[m, 2k] and a[m, 2k + 1]; shapes: a (M, K), out (M, depth), row-major."""
    whole = a.shape[1] // 2 // LANES * LANES
    for m in range(out.shape[0]):
        for k in range(0, whole, LANES):
            pair_neighbours(a[m, 2 * k :], out[m, k:])
    if whole < out.shape[1]:
        for m in range(out.shape[0]):
            for k in range(whole, out.shape[1]):
                out[m, k] = pair(_at(a, m, 2 * k), _at(a, m, 2 * k + 1))


@jit
def pair_rows(b, out):
    """out[k, n] = the pair of b[2k, n] and b[2k + 1, n]; shapes: b (K, N), out (depth, N), row-major."""
    whole, vectors = b.shape[0] // 2, out.shape[1] // LANES * LANES
    for k in range(whole):
        for n in range(0, vectors, LANES):
            pair_lanes(b[2 * k, n:], b[2 * k + 1, n:], out[k, n:])
    for k in range(out.shape[0]):
        for n in range(0 if k >= whole else vectors, out.shape[1]):
            out[k, n] = pair(_at(b, 2 * k, n), _at(b, 2 * k + 1, n))


@jit
def _at(x, i, j):
    """Return x[i, j], or 0 outside x."""
    return x[i, j] if i < x.shape[0] and j < x.shape[1] else x.dtype.type(0)


@jit
def pair_rows_turned(b, out):
    """Do `pair_rows` with a transposed result: out (N, depth)."""
    scratch = np.empty((LANES, LANES), np.uint32)
    for n in range(0, b.shape[1], LANES):
        columns, pairs = b[:, n : n + LANES], out[n : n + LANES]
        for k in range(0, out.shape[1], LANES):
            block = pairs[:, k : k + LANES]
            pair_rows(columns[2 * k : 2 * (k + LANES)], scratch[: block.shape[1], : block.shape[0]])
            _turn(scratch, block)


@jit
def pair_columns_turned(a, out):
    """Do `pair_columns` with a transposed result: out (depth, M)."""
    scratch = np.empty((LANES, LANES), np.uint32)
    for m in range(0, a.shape[0], LANES):
        rows, pairs = a[m : m + LANES], out[:, m : m + LANES]
        for k in range(0, out.shape[0], LANES):
            block = pairs[k : k + LANES]
            pair_columns(rows[:, 2 * k : 2 * (k + LANES)], scratch[: block.shape[1], : block.shape[0]])
            _turn(scratch, block)


@jit
def _turn(scratch, block):
    """Set block to the transpose of the part of scratch (16, 16) that fits."""
    if block.shape == scratch.shape:
        turn_lanes(scratch, block)
    else:
        for i in range(block.shape[0]):
            for j in range(block.shape[1]):
                block[i, j] = scratch[j, i]
