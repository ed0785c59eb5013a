"""Matrix products of floats, or of bfloat16 pairs with float32 sums.

    C (M, N) = A (M, K) @ B (K, N)    or    C += A @ B

B is first packed into *panels*, a few vectors wide, so that the inner loop (tile.py) reads it from memory in
order. A panel serves all rows of A. The panels' type selects the kind of product: float panels multiply
floats, uint32 panels multiply pairs (bfloat16.py). Floats of A are read in place with any strides, so the
same code multiplies by A and by its transpose. For pairs, `rows_of` and `transposed` first make a copy, which
serves all products with A. If there is a matrix unit (amx.py), it multiplies the pairs.
`matmul_plain` in the tests computes the same in three loops.
"""

from __future__ import annotations

from typing import Any

from numba import types

from .amx import matmul_by_tiles
from .bfloat16 import depth, depth_of, pair_columns, pair_columns_turned, pair_rows, pair_rows_turned
from .jit import choice, jit
from .processor import HAS_AMX, VECTOR_BYTES, VECTORS
from .tile import tile


@jit
def panel_width(itemsize):
    """Return the columns of a full panel, for elements of `itemsize` bytes."""
    return VECTORS * (VECTOR_BYTES // itemsize)


def packed_size(depth: int, columns: int, itemsize: int, pairs: bool = False) -> int:
    """Return the elements that `pack` writes for a (depth, columns) matrix, padded to whole vectors."""
    lanes = VECTOR_BYTES // itemsize
    return (depth_of(depth) if pairs else depth) * -(-columns // lanes) * lanes


@jit
def pack(b, panels):
    """Write B (K, N), with any strides, to `panels` (packed_size,) in the order in which tiles read it.

    Panel p holds columns [p W, (p+1) W) as rows of W, one row for each k, or for each pair of them. The last
    panel is padded with 0 to whole vectors.
    """
    deep, columns = _depth(b, panels), b.shape[1]
    lanes = VECTOR_BYTES // b.itemsize
    full = panel_width(b.itemsize)
    for start in range(0, columns, full):
        used = min(full, columns - start)
        width = (used + lanes - 1) // lanes * lanes
        panel = panels[start * deep : (start + width) * deep]
        _fill(b[:, start : start + used], panel, width)
        for j in range(used, width):
            for k in range(deep):
                panel[k * width + j] = 0


@jit
def _fill_floats(b, panel, width):
    if b.strides[0] > b.strides[1]:
        for k in range(b.shape[0]):
            row, target = b[k], panel[k * width : k * width + b.shape[1]]
            for j in range(row.size):
                target[j] = row[j]
    else:
        for j in range(b.shape[1]):
            for k in range(b.shape[0]):
                panel[k * width + j] = b[k, j]


@jit
def _fill_pairs(b, panel, width):
    rows = panel.reshape(panel.size // width, width)[:, : b.shape[1]]
    if b.strides[0] > b.strides[1]:
        pair_rows(b, rows)
    else:
        pair_columns_turned(b.T, rows)


@jit
def _pairs_of_rows(a, buffer):
    shape = (a.shape[0], depth(a.shape[1]))
    pairs = buffer[: shape[0] * shape[1]].reshape(shape)
    pair_columns(a, pairs)
    return pairs


@jit
def _pairs_transposed(a, buffer):
    shape = (depth(a.shape[0]), a.shape[1])
    pairs = buffer[: shape[0] * shape[1]].reshape(shape)
    pair_rows(a, pairs)
    return pairs.T


@jit
def _pairs_turned(a, buffer):
    shape = (a.shape[1], depth(a.shape[0]))
    pairs = buffer[: shape[0] * shape[1]].reshape(shape)
    pair_rows_turned(a, pairs)
    return pairs


@jit
def _pairs_along(b, panels):
    return depth(b.shape[0])


@jit
def _rows(b, panels):
    return b.shape[0]


@jit
def _itself(a, buffer):
    return a


@jit
def _transpose(a, buffer):
    return a.T


def _of_pairs(array: Any) -> bool:
    return bool(array.dtype == types.uint32)


@choice
def _depth(b, panels):
    """Return the number of rows in a panel."""
    return _pairs_along if _of_pairs(panels) else _rows


@choice
def _fill(b, panel, width):
    """Write columns to a panel."""
    return _fill_pairs if _of_pairs(panel) else _fill_floats


@choice
def rows_of(a, buffer):
    """Return row-major A (M, K) as a left factor; buffer: receives pairs, or is empty for floats."""
    return _pairs_of_rows if _of_pairs(buffer) else _itself


@choice
def transposed(a, buffer):
    """Do the same as `rows_of` for A given as its transpose (K, M)."""
    if _of_pairs(buffer):
        return _pairs_turned if HAS_AMX else _pairs_transposed  # AMX tiles read rows
    return _transpose


@choice
def _multiply(a, panels, c, accumulate):
    """Multiply with the matrix unit or with vectors."""
    return matmul_by_tiles if _of_pairs(panels) and HAS_AMX else _by_vectors


@jit
def matmul(a, panels, c, accumulate):
    """Compute c = a @ B, or c += a @ B, where `panels` is B (K, N) as packed by `pack`.

    Shapes: a (M, K) with any strides, or the result of `rows_of` or `transposed`; c (M, N) with adjacent
    columns, not overlapping a.
    Cost: 2 M N K flops; B is read once per tile of rows, from the innermost cache that holds it.
    """
    _multiply(a, panels, c, accumulate)


@jit
def _by_vectors(a, panels, c, accumulate):
    rows, columns = c.shape
    width = panel_width(c.itemsize)
    for column in range(0, columns, width):
        row = 0
        while row < rows:
            row += tile(a, panels, c, row, column, accumulate)
