"""Passes over flat vectors: Adam against PyTorch and NumPy, the tree of shards, the norm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import support
from numpy.typing import NDArray

from charrnn.kernels import update

Array = NDArray[Any]


def adam_plain(flat: Array, grads: Array, lr: float) -> Iterator[Array]:
    """The twin: algorithm 1 of Kingma & Ba (2015), with its bias-corrected means written out."""
    m, v = np.zeros_like(flat), np.zeros_like(flat)
    for step, g in enumerate(grads, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9**step), v / (1 - 0.999**step)
        flat = flat - lr * m_hat / (np.sqrt(v_hat) + 1e-8)
        yield flat


def adam(flat: Array, grads: Array, lr: float, factor: float = 1.0) -> Iterator[Array]:
    """The kernel, on two blocks of the vector, as threads share it."""
    flat, m, v = flat.copy(), np.zeros_like(flat), np.zeros_like(flat)
    middle = flat.size // 3
    for step, grad in enumerate(grads, 1):
        for start, stop in ((middle, flat.size), (0, middle)):
            update.adam(flat, grad.copy(), m, v, start, stop, factor, lr, step)
        yield flat


def test_adam_is_pytorchs():
    golden = support.golden("adam")
    got = adam(golden["start"], golden["grads"], float(golden["lr"]))
    for step, (values, expected) in enumerate(zip(got, golden["values"], strict=True), 1):
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9, err_msg=f"step {step}")


@pytest.mark.parametrize("factor", [1.0, 0.125])
@pytest.mark.parametrize("dtype, precision", [("float32", 2e-5), ("float64", 1e-12)])
def test_adam_is_the_papers_on_the_clipped_gradient(dtype, precision, factor):
    rng = np.random.default_rng(0)
    start, grads = rng.standard_normal(50).astype(dtype), rng.standard_normal((100, 50)).astype(dtype)
    expected = adam_plain(start.astype(np.float64), grads.astype(np.float64) * factor, 0.01)
    for values, wanted in zip(adam(start, grads, 0.01, factor), expected, strict=True):
        np.testing.assert_allclose(values, wanted, rtol=0, atol=precision)


def test_adam_divides_by_the_root_plus_epsilon():
    """A gradient below epsilon moves less than lr: epsilon stands outside of the root, uncorrected."""
    (moved,) = adam(np.zeros(1), np.full((1, 1), 1e-8), lr=1.0)
    assert moved[0] == pytest.approx(-0.5, rel=1e-6)


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("shards", range(1, 8))
def test_shards_are_added_up(dtype, shards):
    """Whole numbers, so that every order of adding has the same bits; other blocks are left alone."""
    grads = np.random.default_rng(shards).integers(-1000, 1000, (shards, 101)).astype(dtype)
    before = grads.copy()
    update.add_shards(grads, 10, 90)
    np.testing.assert_array_equal(grads[0, 10:90], before[:, 10:90].sum(axis=0))
    np.testing.assert_array_equal(grads[:, :10], before[:, :10])
    np.testing.assert_array_equal(grads[:, 90:], before[:, 90:])


def test_the_tree_of_shards_is_fixed():
    """((0 + 1) + (2 + 3)) + 4, by numbers that round differently in any other order."""
    grads = np.random.default_rng(3).standard_normal((5, 1000)).astype(np.float32)
    a, b, c, d, e = grads.copy()
    update.add_shards(grads, 0, 1000)
    np.testing.assert_array_equal(grads[0], ((a + b) + (c + d)) + e)
    assert (grads[0] != (((a + b) + c) + d) + e).any()


@pytest.mark.parametrize("dtype", support.DTYPES)
def test_sum_of_squares(dtype):
    x = np.random.default_rng(0).standard_normal(1001).astype(dtype)
    exact = np.sum(x[5:900].astype(np.float64) ** 2)
    assert update.sum_of_squares(x, 5, 900) == pytest.approx(exact, rel=1e-13)


def test_sum_of_squares_neither_overflows_nor_hides_nan():
    x = np.full(40, 1e30, np.float32)
    exact = 40 * float(x[0]) ** 2  # beyond float32
    assert update.sum_of_squares(x, 0, 40) == pytest.approx(exact, rel=1e-13)
    for spoilt in (np.nan, np.inf):
        x[33] = spoilt
        assert not np.isfinite(update.sum_of_squares(x, 0, 40))
