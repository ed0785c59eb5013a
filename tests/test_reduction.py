"""Passes over flat vectors: the tree of shards, the norm."""

from __future__ import annotations

import numpy as np
import pytest
import support

from charrnn.kernels import reduction


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("shards", range(1, 8))
def test_shards_are_added_up(dtype, shards):
    """Whole numbers, so that every order of adding has the same bits; other blocks are left alone."""
    grads = np.random.default_rng(shards).integers(-1000, 1000, (shards, 101)).astype(dtype)
    before = grads.copy()
    reduction.add_shards(grads, reduction.tree(shards), 10, 90)
    np.testing.assert_array_equal(grads[0, 10:90], before[:, 10:90].sum(axis=0))
    np.testing.assert_array_equal(grads[:, :10], before[:, :10])
    np.testing.assert_array_equal(grads[:, 90:], before[:, 90:])


def test_the_tree_of_shards_is_fixed():
    """((0 + 1) + (2 + 3)) + 4, by numbers that round differently in any other order."""
    grads = np.random.default_rng(3).standard_normal((5, 1000)).astype(np.float32)
    a, b, c, d, e = grads.copy()
    reduction.add_shards(grads, reduction.tree(5), 0, 1000)
    np.testing.assert_array_equal(grads[0], ((a + b) + (c + d)) + e)
    assert (grads[0] != (((a + b) + c) + d) + e).any()


@pytest.mark.parametrize("dtype", support.DTYPES)
def test_sum_of_squares(dtype):
    x = np.random.default_rng(0).standard_normal(1001).astype(dtype)
    exact = np.sum(x[5:900].astype(np.float64) ** 2)
    assert reduction.sum_of_squares(x, 5, 900) == pytest.approx(exact, rel=1e-13)


def test_sum_of_squares_neither_overflows_nor_hides_nan():
    x = np.full(40, 1e30, np.float32)
    exact = 40 * float(x[0]) ** 2  # beyond float32
    assert reduction.sum_of_squares(x, 0, 40) == pytest.approx(exact, rel=1e-13)
    for spoilt in (np.nan, np.inf):
        x[33] = spoilt
        assert not np.isfinite(reduction.sum_of_squares(x, 0, 40))
