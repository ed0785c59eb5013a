"""Schedules of the learning rate."""

from __future__ import annotations

import math

from ..config import TrainConfig

HALVINGS = (0.5, 0.6, 0.7, 0.8, 0.9)  # shares of the run at which `step` halves the rate


def constant(progress: float) -> float:
    """Return 1 throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """Fall from 1 to 0 along half a cosine (Loshchilov & Hutter 2017)."""
    half = _cos(0.5 * math.pi * min(1.0, progress))
    return half * half  # not ** 2, which calls the C library


def _cos(x: float) -> float:
    """Return cos(x) for x up to pi/2 by its Taylor series, with the same bits on any C library."""
    value = 0.0
    for k in range(24, -1, -2):
        value = 1.0 - value * x * x / ((k + 1) * (k + 2))
    return value


def step(progress: float) -> float:
    """Stay constant at first, then halve at each of HALVINGS."""
    return float(0.5 ** sum(progress >= share for share in HALVINGS))


# plateau is constant here: the trainer halves the rate when a validation is no better than the best
BY_NAME = {"constant": constant, "cosine": cosine, "step": step, "plateau": constant}


def rate(config: TrainConfig, done: int, total: int, progress: float) -> float:
    """Return the learning rate after `done` of `total` steps; the warm-up takes at most a tenth of them.

    progress: the share of the steps, or of the time, that is used up.
    """
    warm = min(1.0, (done + 1) / max(1, min(config.warmup, total // 10)))
    return config.lr * warm * BY_NAME[config.lr_schedule](progress)
