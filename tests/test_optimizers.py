"""The optimisers' steps against PyTorch's, and clipping."""

from __future__ import annotations

import numpy as np
import pytest
import support

from charrnn.config import OPTIMIZERS
from charrnn.kernels import optimizers


def run(name, start, grads, lr, decay):
    """The parameters after each step, on two blocks of the vector, as threads share it."""
    w, slots = start.copy(), np.zeros((optimizers.SLOTS[name], start.size), start.dtype)
    rule, middle = getattr(optimizers, name), start.size // 3
    for step, grad in enumerate(grads, 1):
        g = grad.copy()
        for part in (slice(middle, None), slice(0, middle)):
            rule(w[part], g[part], slots[:, part], lr, step, decay)
        yield w.copy()


def test_every_optimizer_of_the_options_has_a_rule():
    assert set(OPTIMIZERS) == set(optimizers.SLOTS)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_are_pytorchs(name, decay):
    golden = support.golden(f"{name}-{decay}")
    got = list(run(name, golden["start"], golden["grads"], float(golden["lr"]), float(golden["decay"])))
    for step, expected in zip((0, 1, 9, 99), golden["values"], strict=True):
        np.testing.assert_allclose(got[step], expected, rtol=1e-9, atol=1e-9, err_msg=f"step {step + 1}")
    assert np.abs(golden["values"][-1] - golden["start"]).max() > 0.01


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_follows_float64(name):
    golden = support.golden(f"{name}-0.1")
    arguments = [golden["start"], golden["grads"]]
    exact = list(run(name, *arguments, 0.01, 0.1))[-1]
    single = list(run(name, *(a.astype(np.float32) for a in arguments), 0.01, 0.1))[-1]
    np.testing.assert_allclose(single, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", support.DTYPES)
def test_clipping(dtype):
    g = np.array([-8, -1, 0, 0.5, 3, np.nan], dtype)
    optimizers.clip(g, 0.5, 0.0)
    np.testing.assert_array_equal(g, np.array([-4, -0.5, 0, 0.25, 1.5, np.nan], dtype))
    optimizers.clip(g, 1.0, 1.0)
    np.testing.assert_array_equal(g, np.array([-1, -0.5, 0, 0.25, 1, np.nan], dtype))
    w = np.array([-3, 0.2, 7], dtype)
    optimizers.clamp(w, 2.0)
    np.testing.assert_array_equal(w, np.array([-2, 0.2, 2], dtype))
