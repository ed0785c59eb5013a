"""How the learning rate changes over a run."""

from __future__ import annotations

import math

from ..config import TrainConfig

HALVINGS = (0.5, 0.6, 0.7, 0.8, 0.9)  # shares of the run after which `step` halves the rate


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov & Hutter 2017)."""
    half = _cos(0.5 * math.pi * min(1.0, progress))
    return half * half  # not ** 2, which is the C library's


def _cos(x: float) -> float:
    """Of x up to pi/2 by its Taylor series: the same bits whatever C library there is."""
    value = 0.0
    for k in range(24, -1, -2):
        value = 1.0 - value * x * x / ((k + 1) * (k + 2))
    return value


def step(progress: float) -> float:
    """Constant at first, then halved again and again."""
    return float(0.5 ** sum(progress >= share for share in HALVINGS))


# plateau is constant here: the trainer halves the rate when an evaluation is no better than the best
BY_NAME = {"constant": constant, "cosine": cosine, "step": step, "plateau": constant}


def rate(config: TrainConfig, done: int, total: int, progress: float) -> float:
    """The learning rate of the next step, after `done` of `total` steps; a warm-up takes a tenth at most.

    progress: the share of the budget that is used up, of steps or of time.
    """
    warm = min(1.0, (done + 1) / max(1, min(config.warmup, total // 10)))
    return config.lr * warm * BY_NAME[config.lr_schedule](progress)
