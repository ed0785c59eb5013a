"""Dropout masks: functions of their key alone, of the right share, and unrelated to each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import DTYPES

from charrnn.kernels import dropout as kernel

Mask = NDArray[np.bool_]
SHAPE = (1000, 257)
N = SHAPE[0] * SHAPE[1]
KEY = 0x9E3779B97F4A7C15
LAYER = 1 << 32  # layers count in a key's upper half


def drop(x: NDArray[Any], rate: float, key: int) -> NDArray[Any]:
    out = np.full_like(x, np.nan)
    kernel.dropout(x, out, rate, np.uint64(key))
    return out


def mask(rate: float, key: int) -> Mask:
    return drop(np.ones(SHAPE, np.float32), rate, key) != 0


def assert_share(mask: Mask, share: float) -> None:
    """The share of ones is `share`, within 4 standard deviations."""
    assert abs(mask.mean() - share) < 4 * np.sqrt(share * (1 - share) / mask.size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_kept_is_scaled_and_the_rest_is_0(dtype):
    x = np.random.default_rng(0).standard_normal((13, 37)).astype(dtype)
    out = drop(x, 0.3, KEY)
    kept = out != 0
    np.testing.assert_array_equal(out[kept], x[kept] * np.dtype(dtype).type(1 / (1 - 0.3)))
    assert kept.any() and not kept.all()


def test_the_same_key_draws_the_same_mask_in_both_types_and_in_place():
    x = np.random.default_rng(0).uniform(1, 2, (13, 37)).astype(np.float32)
    first = drop(x, 0.3, KEY)
    np.testing.assert_array_equal(drop(x, 0.3, KEY), first)
    np.testing.assert_array_equal(drop(x.astype(np.float64), 0.3, KEY) != 0, first != 0)
    kernel.dropout(x, x, 0.3, np.uint64(KEY))
    np.testing.assert_array_equal(x, first)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("key", [0, 1, KEY, (1 << 64) - 1])
def test_share_kept(rate, key):
    kept = mask(rate, key)
    assert_share(kept, 1 - rate)
    for axis in (0, 1):  # each row and each column, so that no unit or step is favoured
        shares = kept.mean(axis=axis)
        spread = np.sqrt(rate * (1 - rate) / SHAPE[axis])
        assert np.abs(shares - (1 - rate)).max() < 5.5 * spread
        assert 0.8 * spread < shares.std() < 1.2 * spread


@pytest.mark.parametrize(
    "other", [KEY + 1, KEY ^ (1 << 16), KEY + LAYER, KEY + 2 * LAYER, KEY ^ (1 << 63), 0]
)
@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_other_keys_and_layers_draw_unrelated_masks(rate, other):
    both_or_neither = (1 - rate) ** 2 + rate**2
    first = mask(rate, KEY)
    assert_share(first == mask(rate, other), both_or_neither)


@pytest.mark.parametrize("shift", [1, 2, 16, 256, 257])
def test_neighbours_are_unrelated(shift):
    flat = mask(0.3, KEY).reshape(-1)
    assert_share(flat[shift:] == flat[:-shift], 0.7**2 + 0.3**2)


def test_masks_of_two_layers_are_no_shifts_of_each_other():
    """A counter that adds key and index would repeat a layer's mask, some places on, in the next."""
    first, second = mask(0.5, KEY).reshape(-1)[:20_000], mask(0.5, KEY + LAYER).reshape(-1)[:20_000]
    for shift in range(-300, 300):
        agree = np.mean(first == np.roll(second, shift))
        assert abs(agree - 0.5) < 5.5 * 0.5 / np.sqrt(first.size)
