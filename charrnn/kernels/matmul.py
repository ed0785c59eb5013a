"""The matrix product, of floats or of pairs of bfloat16 with float32 sums.

    C (M, N) = A (M, K) @ B (K, N)    or    C += A @ B

B is first packed into *panels* of a few vectors' width, so that the inner loop (tile.py) reads it from memory
in order, and a panel serves all rows of A. The type of the panels says what is multiplied: floats as they
are, or, in panels of uint32, pairs (bfloat16.py). A is read in place, by any strides, so the same code
multiplies by A and by its transpose; of pairs, `rows_of` and `transposed` make a copy first, which serves all
products by it. Pairs go to the matrix unit (amx.py) where there is one.
`matmul_plain` in the tests is the same in three loops.
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
    """Columns of a full panel, for elements of `itemsize` bytes."""
    return VECTORS * (VECTOR_BYTES // itemsize)


def packed_size(depth: int, columns: int, itemsize: int, pairs: bool = False) -> int:
    """Elements that `pack` writes for a (depth, columns) matrix: columns are padded to whole vectors."""
    lanes = VECTOR_BYTES // itemsize
    return (depth_of(depth) if pairs else depth) * -(-columns // lanes) * lanes


@jit
def pack(b, panels):
    """Write B (K, N), of any strides, to `panels` (packed_size,) in the order the tile reads it.

    Panel p holds columns [p W, (p+1) W) as rows of W, one for each k, or each two; the last panel is as many
    whole vectors wide as its columns need, padded with 0.
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
    """Rows of a panel."""
    return _pairs_along if _of_pairs(panels) else _rows


@choice
def _fill(b, panel, width):
    """Columns into a panel."""
    return _fill_pairs if _of_pairs(panel) else _fill_floats


@choice
def rows_of(a, buffer):
    """A (M, K), rows in order, as the left factor of products; buffer: where pairs go, else empty."""
    return _pairs_of_rows if _of_pairs(buffer) else _itself


@choice
def transposed(a, buffer):
    """As `rows_of`, of A given as its transpose (K, M)."""
    if _of_pairs(buffer):
        return _pairs_turned if HAS_AMX else _pairs_transposed  # its tiles read rows
    return _transpose


@choice
def _multiply(a, panels, c, accumulate):
    """The product, by the unit for its factors."""
    return matmul_by_tiles if _of_pairs(panels) and HAS_AMX else _by_vectors


@jit
def matmul(a, panels, c, accumulate):
    """c = a @ B, or c += a @ B, where `panels` is B (K, N) as packed by `pack`.

    Shapes: a (M, K) any strides, or what `rows_of` and `transposed` give; c (M, N) with adjacent columns, not
    overlapping a.  Cost: 2 M N K flops; B is read once per tile of rows, from the innermost cache it fits.
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
