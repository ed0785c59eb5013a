"""exp, ln, sigmoid and tanh: errors in the last place, and what lies far out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import DTYPES

from charrnn.kernels import activations, elementary
from charrnn.kernels.jit import jit

Array = NDArray[Any]


@jit
def exp_of_each(x):
    for k in range(x.size):
        x[k] = elementary.exp(x[k])


@jit
def ln_of_each(x):
    for k in range(x.size):
        x[k] = elementary.ln(x[k])


@jit
def fma_of_each(x, y, z):
    for k in range(x.size):
        z[k] = elementary.fma(x[k], y[k], z[k])


def exact_sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


KERNELS = {"exp": exp_of_each, "sigmoid": activations.sigmoid, "tanh": activations.tanh}
EXACT = {"exp": np.exp, "sigmoid": exact_sigmoid, "tanh": np.tanh, "ln": np.log}
# Below and above, the type has no normal number for the result (tanh has one everywhere)
LOWEST = {"exp": {"float32": -87.3, "float64": -708}, "sigmoid": {"float32": -87.3, "float64": -708}}
HIGHEST = {"exp": {"float32": 88.3, "float64": 709}}
UNITS = {"float32": 4, "float64": 1}  # in the last place, that errors may have
EXTENDED = np.finfo(np.longdouble).nmant > 60  # exact values for float64 need more places than it has


def points(dtype: str) -> Array:
    """Two million numbers: fine grids, every magnitude, and random bits; all finite."""
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    low, high = (float(np.log10(end)) for end in (info.tiny, info.max))
    magnitudes = np.logspace(low + 0.01, high - 0.01, 200_000)
    bits = rng.integers(0, 1 << info.bits, 700_000, f"uint{info.bits}").view(dtype)
    wide = 90 if dtype == "float32" else 710
    grids = [
        np.linspace(-wide, wide, 500_001),
        np.linspace(-20, 20, 300_001),
        np.linspace(-0.01, 0.01, 200_001),
    ]
    x = np.concatenate([*(g.astype(dtype) for g in (*grids, magnitudes, -magnitudes)), bits])
    return x[np.isfinite(x) & (np.abs(x) >= info.tiny)]


def largest_error(got: Array, name: str, x: Array) -> tuple[float, Any]:
    """In units in the last place, and where it is."""
    with np.errstate(over="ignore", under="ignore"):
        exact = EXACT[name](x.astype(np.longdouble))
        unit = np.spacing(np.abs(exact).astype(x.dtype)).astype(np.longdouble)
    error = np.abs(got.astype(np.longdouble) - exact) / unit
    worst = int(np.argmax(error))
    return float(error[worst]), x[worst]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_errors_are_a_few_units_in_the_last_place(name, dtype):
    if dtype == "float64" and not EXTENDED:
        pytest.skip("exact values need a long double that is longer than a double")
    x = points(dtype)
    x = x[(x >= LOWEST.get(name, {}).get(dtype, -np.inf)) & (x <= HIGHEST.get(name, {}).get(dtype, np.inf))]
    error, at = largest_error(run(name, x), name, x)
    assert error <= UNITS[dtype], f"{name}({at!r}) is off by {error:.2f} units"


@pytest.mark.skipif(not EXTENDED, reason="exact values need a long double that is longer than a double")
def test_ln_is_within_a_unit_in_the_last_place():
    x = np.abs(points("float64"))
    x = np.concatenate([x, 1 + np.linspace(-0.5, 1, 300_001), 1 + np.linspace(-1e-9, 1e-9, 1001)])
    got = x.copy()
    ln_of_each(got)
    error, at = largest_error(got, "ln", x)
    assert error <= 1, f"ln({at!r}) is off by {error:.2f} units"


def test_ln_of_what_is_not_finite_is_that():
    x = np.array([1.0, np.nan, np.inf])
    ln_of_each(x)
    np.testing.assert_array_equal(x, [0, np.nan, np.inf])


@pytest.mark.parametrize("dtype", DTYPES)
def test_fma_rounds_once(dtype):
    """(1 + e)(1 - e) - 1 = -e^2, of which nothing is left where the product is rounded."""
    e = np.finfo(dtype).eps
    x, y, z = (np.array([value], dtype) for value in (1 + e, 1 - e, -1))
    fma_of_each(x, y, z)
    assert z[0] == -(e**2) and (x * y)[0] == 1


def run(name: str, x: Array) -> Array:
    """The kernel's values at x, in the type of x."""
    out = x.copy()
    KERNELS[name](out)
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_nan_passes_through_and_touches_nothing_else(name, dtype):
    x = np.linspace(-3, 3, 67).astype(dtype)
    clean = run(name, x)
    x[::5] = np.nan
    got = run(name, x)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(x))
    np.testing.assert_array_equal(got[~np.isnan(x)], clean[~np.isnan(x)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("large", [100.0, 1e4, 3e38, np.inf])
def test_far_out_they_saturate(dtype, large):
    x = np.array([-large, large], dtype)
    np.testing.assert_array_equal(run("tanh", x), [-1, 1])
    low, high = run("sigmoid", x)
    assert high == 1 and 0 <= low <= 1e-38
    low, high = run("exp", x)
    assert 0 <= low <= np.finfo(np.float32).tiny * 1.1 and high >= 2e38


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 33])
@pytest.mark.parametrize("name", KERNELS)
def test_a_value_has_the_same_bits_wherever_it_stands(name, size):
    """Vectorised loops and their scalar tails must agree: a shard's size is no matter of bits."""
    x = np.linspace(-4, 4, size, dtype=np.float32)
    one_by_one = np.concatenate([run(name, x[k : k + 1]) for k in range(size)])
    np.testing.assert_array_equal(run(name, x), one_by_one)
