"""Softmax with cross-entropy."""

from __future__ import annotations

from typing import Any

import naive
import numpy as np
import pytest
from numpy.typing import NDArray
from support import DTYPES

from charrnn.kernels import activations

Array = NDArray[Any]


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
    # float32 rounds a difference of logits to 4e-6 and stops at e**-87.3; float64 has 0 below e**-708
    np.testing.assert_allclose(p, expected, rtol=8 * precision, atol=2e-38 if dtype == "float32" else 4e-308)


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
