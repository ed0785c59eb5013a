"""Sums in sixteen lanes and a tree, to the bit: the oracle adds number by number in that order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import DTYPES

from charrnn.kernels import sums
from charrnn.kernels.jit import jit

SIZES = [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 65, 100, 1000]


@jit
def total(x):
    return sums.total(x)


@jit
def dot(x, y):
    return sums.dot(x, y)


@jit
def squares(x):
    return sums.squares(x)


@jit
def largest(x):
    return sums.largest(x)


def in_order(terms: Any) -> Any:
    """Lane i adds up terms i, i + 16, ...; then lanes i and i + 8, i and i + 4, and so on."""
    number = terms.dtype.type
    lanes = [number(0)] * 16
    for k, term in enumerate(terms):
        lanes[k % 16] = number(lanes[k % 16] + term)
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [number(lanes[i] + lanes[i + half]) for i in range(half)]
    return lanes[0]


def numbers(size: int, dtype: str, seed: int = 0) -> Any:
    """Of magnitudes so different that another order of adding them rounds otherwise."""
    rng = np.random.default_rng([seed, size])
    return (rng.standard_normal(size) * 10.0 ** rng.integers(-4, 4, size)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_total_is_added_in_its_order(size, dtype):
    x = numbers(size + 2, dtype)
    assert total(x[1:-1]) == in_order(x[1:-1])


def test_another_order_has_other_bits():
    """So the test above can fail."""
    x = numbers(1000, "float32")
    one_by_one = np.float32(0)
    for each in x:
        one_by_one += each
    assert in_order(x) not in (one_by_one, in_order(x[::-1]))


@pytest.mark.parametrize("size", SIZES)
def test_products_are_added_without_rounding_them(size):
    """Whole numbers, whose sums are exact in any order; then a product that rounding would change."""
    x, y = (
        np.random.default_rng([seed, size]).integers(-999, 999, size).astype(np.float32) for seed in (1, 2)
    )
    assert dot(x, y) == float(x.astype(np.int64) @ y.astype(np.int64))
    e = np.float32(2**-12)
    assert dot(
        np.array([-1, *[0] * 15, 1 + e], np.float32), np.array([1, *[0] * 15, 1 - e], np.float32)
    ) == -(e**2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_squares_are_added_in_float64(size, dtype):
    """Whole numbers up to 2^12, whose squares and sums float64 holds exactly; then the order."""
    whole = np.random.default_rng(size).integers(-4096, 4096, size).astype(dtype)
    assert squares(whole) == float((whole.astype(np.int64) ** 2).sum())
    if dtype == "float32":  # whose squares are exact in float64
        x = numbers(size, dtype)
        assert squares(x) == in_order(x.astype(np.float64) ** 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_the_largest_wherever_it_stands(size, dtype):
    x = -np.abs(numbers(size + 2, dtype)) - 1
    x[0] = x[-1] = 5  # beside the vector
    for at in {0, size // 2, size - 1}:
        inner = x[1:-1]
        before = inner[at]
        inner[at] = -0.5
        assert largest(inner) == -0.5
        inner[at] = before
    assert largest(x[1:-1]) == x[1:-1].max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_lies_beyond_a_vector_is_not_read(dtype):
    x = np.full(40, np.nan, dtype)
    x[3:25] = 1
    assert (total(x[3:25]), dot(x[3:25], x[3:25]), squares(x[3:25]), largest(x[3:25])) == (22, 22, 22, 1)
