"""exp, sigmoid and tanh to the last places; softmax with cross-entropy."""

from __future__ import annotations

import math
from typing import Any

import naive
import numpy as np
import pytest
from numpy.typing import NDArray
from support import DTYPES

from charrnn.kernels import activations
from charrnn.kernels.jit import jit

Array = NDArray[Any]


@jit
def exp_of_each(x):
    for k in range(x.size):
        x[k] = activations.exp(x[k])


def exact_sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


KERNELS = {"exp": exp_of_each, "sigmoid": activations.sigmoid, "tanh": activations.tanh}
EXACT = {"exp": np.exp, "sigmoid": exact_sigmoid, "tanh": np.tanh}
# Below and above, float32 has no normal number for the result (tanh has one everywhere)
LOWEST = {"exp": -87.3, "sigmoid": -87.3, "tanh": -np.inf}
HIGHEST = {"exp": 88.3, "sigmoid": np.inf, "tanh": np.inf}


def run(name: str, x: Array) -> Array:
    """The kernel's values at x, in the type of x."""
    out = x.copy()
    KERNELS[name](out)
    return out


def points() -> Array:
    """Two million float32 numbers: a fine grid, every magnitude, and random bits; all finite."""
    rng = np.random.default_rng(0)
    magnitudes = np.logspace(-44, 38.4, 200_000)
    bits = rng.integers(0, 1 << 32, 700_000, np.uint32).view(np.float32)
    grids = [np.linspace(-90, 90, 700_001), np.linspace(-0.01, 0.01, 200_001)]
    x = np.concatenate([*(g.astype(np.float32) for g in (*grids, magnitudes, -magnitudes)), bits])
    return x[np.isfinite(x)]


@pytest.mark.parametrize("name", KERNELS)
def test_float32_is_within_four_units_in_the_last_place(name):
    x = points()
    x = x[(x >= LOWEST[name]) & (x <= HIGHEST[name])]
    with np.errstate(over="ignore"):
        exact = EXACT[name](x.astype(np.float64))
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    error = np.abs(run(name, x).astype(np.float64) - exact) / unit
    worst = int(np.argmax(error))
    assert error[worst] <= 4, f"{name}({x[worst]!r}) is off by {error[worst]:.1f} units"


@pytest.mark.parametrize("name", KERNELS)
def test_float64_equals_the_functions_of_the_c_library(name):
    with np.errstate(over="ignore"):
        x = np.concatenate([np.linspace(-700, 700, 20_001), np.linspace(-1e-3, 1e-3, 2001)])
    scalar = {"exp": math.exp, "sigmoid": lambda v: 1 / (1 + math.exp(-v)), "tanh": math.tanh}[name]
    exact = np.array([scalar(v) for v in x])
    # one unit, in case the interpreter and the kernel link different C libraries
    np.testing.assert_array_less(np.abs(run(name, x) - exact), 1.5 * np.spacing(np.abs(exact)))


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


def softmax_case(size: float, dtype: str, vocab: int) -> tuple[Array, Array]:
    """Logits (8, V) of about `size`, the largest on and off the target; targets (8,)."""
    rng = np.random.default_rng(vocab)
    logits = rng.uniform(-size, size, (8, vocab)).astype(dtype)
    targets = rng.integers(0, vocab, 8).astype(np.int32)
    logits[0, targets[0]], logits[1, targets[1]], logits[2] = size, -size, size
    return logits, targets


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vocab", [1, 2, 17, 65, 300])
@pytest.mark.parametrize("size", [0.1, 5, 100, 1e4])
def test_softmax_cross_entropy(dtype, vocab, size):
    logits, targets = softmax_case(size, dtype, vocab)
    p, nats = logits.copy(), np.empty(8)
    activations.softmax_cross_entropy(p, targets, nats)
    exact = logits.astype(np.float64)
    precision = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(nats, naive.nats(exact, targets), rtol=precision, atol=precision)
    shifted = np.exp(exact - exact.max(axis=1, keepdims=True))
    expected = shifted / shifted.sum(axis=1, keepdims=True)
    # float32 rounds a difference of logits to 4e-6 and stops at e**-87.3
    np.testing.assert_allclose(p, expected, rtol=8 * precision, atol=2e-38 if dtype == "float32" else 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_a_spoilt_logit_makes_nan_nats(dtype, spoilt):
    logits, targets = softmax_case(1, dtype, 33)
    logits[5, 20], nats = spoilt, np.empty(8)
    targets[5] = 3
    activations.softmax_cross_entropy(logits, targets, nats)
    assert not np.isfinite(nats[5]) and np.isfinite(np.delete(nats, 5)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vocab", [1, 2, 17, 65])
def test_softmax_cross_entropy_backward(dtype, vocab):
    """Against differences of the oracle's nats."""
    logits, targets = softmax_case(3, dtype, vocab)
    p, scale, eps = logits.copy(), 0.37, 1e-5
    activations.softmax_cross_entropy(p, targets, np.empty(8))
    activations.softmax_cross_entropy_backward(p, targets, scale)
    expected = np.empty((8, vocab))
    for k in range(vocab):
        step = np.zeros(vocab)
        step[k] = eps
        above, below = (naive.nats(logits.astype(np.float64) + s, targets) for s in (step, -step))
        expected[:, k] = scale * (above - below) / (2 * eps)
    np.testing.assert_allclose(p, expected, atol=2e-7 if dtype == "float32" else 1e-9)
