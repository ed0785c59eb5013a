"""Samples from a model during training."""

from __future__ import annotations

from contextlib import suppress

from ..checkpoint.checkpoint import Checkpoint
from ..config import SampleConfig
from ..errors import OverflowingModelError
from ..sampling.sampler import sample

LENGTH, TEMP = 200, 0.6  # characters, and the temperature


def sampled(model: Checkpoint, seed: int) -> str:
    """Return a sample, cut where the model overflows, so that the run continues.

    Cost: a step of one stream per character.
    """
    parts: list[str] = []
    with suppress(OverflowingModelError):
        parts.extend(sample(model, SampleConfig(length=LENGTH, temp=TEMP, seed=seed)))
    return "".join(parts)
