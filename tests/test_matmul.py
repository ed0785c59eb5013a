"""The matrix product against three loops, for both dtypes, all tails and all strides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import DTYPES

from charrnn.kernels.jit import jit
from charrnn.kernels.matmul import matmul, pack, packed_size

Array = NDArray[Any]


@numba.njit
def matmul_plain(a, b, c, accumulate):
    """The twin: c (M, N) float64 becomes a @ b, or c + a @ b, in three loops."""
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            total = c[i, j] if accumulate else 0.0
            for k in range(a.shape[1]):
                total += np.float64(a[i, k]) * np.float64(b[k, j])
            c[i, j] = total


# The strides are made inside kernels, from contiguous arrays, so that each is one type to compile for.
@jit
def plain(a, b, panels, c, corner, size, accumulate):
    pack(b, panels)
    matmul(a, panels, c[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]], accumulate)


@jit
def transposed(a, b, panels, c, corner, size, accumulate):
    pack(b.T, panels)
    matmul(a.T, panels, c[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]], accumulate)


@jit
def strided(a, b, panels, c, corner, size, accumulate):
    pack(b[::2, 1::3], panels)
    matmul(
        a[1::2, ::3], panels, c[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]], accumulate
    )


def with_nan_between(x: Array, rows: slice, columns: slice) -> Array:
    """An array of twice the rows and three times the columns, in which x lies at [rows, columns]."""
    wide = np.full((2 * x.shape[0], 3 * x.shape[1]), np.nan, x.dtype)
    wide[rows, columns] = x
    return wide


@dataclass(frozen=True)
class Kind:
    """A way for A and B to lie in memory, and the kernel that reads them so."""

    kernel: Callable[..., None]
    lay_a: Callable[[Array], Array]
    lay_b: Callable[[Array], Array]


KINDS = {
    "plain": Kind(plain, np.copy, np.copy),
    "transposed": Kind(transposed, lambda a: a.T.copy(), lambda b: b.T.copy()),
    "strided": Kind(
        strided,
        lambda a: with_nan_between(a, np.s_[1::2], np.s_[::3]),
        lambda b: with_nan_between(b, np.s_[::2], np.s_[1::3]),
    ),
}


def multiply(kind: str, a: Array, b: Array, c: Array, accumulate: bool) -> tuple[Array, Array]:
    """The product by the tile and by the twin, both float64.

    The tile's C lies in a wider array of NaN, which must stay as it is; its panels hold NaN before
    they are packed, which must not show.
    """
    (rows, depth), columns = a.shape, b.shape[1]
    wide = np.full((rows + 3, columns + 40), np.nan, a.dtype)
    inside = np.s_[2 : 2 + rows, 3 : 3 + columns]
    wide[inside] = c if accumulate else np.nan
    panels = np.full(packed_size(depth, columns, a.itemsize), np.nan, a.dtype)
    how = KINDS[kind]
    how.kernel(how.lay_a(a), how.lay_b(b), panels, wide, (2, 3), (rows, columns), accumulate)
    got = wide[inside].astype(np.float64)
    wide[inside] = np.nan
    assert np.isnan(wide).all(), "written outside of C"
    expected = c.astype(np.float64)
    matmul_plain(a, b, expected, accumulate)
    return got, expected


SIZE = st.integers(1, 40)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@given(rows=SIZE, depth=SIZE, columns=SIZE, accumulate=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_whole_numbers_are_exact(kind, dtype, rows, depth, columns, accumulate, seed):
    rng = np.random.default_rng(seed)
    a, b, c = (
        rng.integers(-9, 10, shape).astype(dtype)
        for shape in ((rows, depth), (depth, columns), (rows, columns))
    )
    np.testing.assert_array_equal(*multiply(kind, a, b, c, accumulate))


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 16, 17])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_odd_sizes(kind, dtype, rows):
    rng = np.random.default_rng(rows)
    for depth in (1, 33, 256, 300):
        for columns in (1, 7, 33, 65, 200):
            shapes = ((rows, depth), (depth, columns), (rows, columns))
            a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
            # roundings add up like a random walk (Higham & Mary 2019); 4: beyond any chance
            rounding = 4 * np.sqrt(depth + 1) * np.finfo(dtype).eps / 2
            for accumulate in (False, True):
                got, expected = multiply(kind, a, b, c, accumulate)
                bound = rounding * (np.abs(a) @ np.abs(b) + accumulate * np.abs(c)).astype(np.float64)
                worst = np.max(np.abs(got - expected) / bound)
                assert worst <= 1, f"({rows} x {depth}) @ ({depth} x {columns}), accumulate {accumulate}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("accumulate", [False, True])
def test_infinity_and_nan_stay_in_their_row_and_column(dtype, accumulate):
    """A guard against NaN sees what happened: it is neither lost nor spread to other rows or columns."""
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in ((17, 5), (5, 33), (17, 33)))
    a[3, 2], b[1, 32] = np.nan, np.inf
    got, expected = multiply("plain", a, b, c, accumulate)
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
    assert np.isfinite(expected).sum() == 16 * 32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 7, 33, 65])
def test_nan_in_the_memory_of_the_panels_does_not_show(dtype, columns):
    """`multiply` fills the panels with NaN before they are packed; one bit of it would spread."""
    a, b, c = np.ones((9, 4), dtype), np.ones((4, columns), dtype), np.zeros((9, columns), dtype)
    got, expected = multiply("plain", a, b, c, False)
    np.testing.assert_array_equal(got, expected)
    assert (got == 4).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_memory_order_is_no_matter_of_bits(dtype):
    """The forward product reads rows and the weight gradient columns of A: the sums are the same."""
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in ((19, 70), (70, 50), (19, 50)))
    first = multiply("plain", a, b, c, True)[0]
    for kind in KINDS:
        np.testing.assert_array_equal(multiply(kind, a, b, c, True)[0], first)
