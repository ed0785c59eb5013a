"""What a model writes while it is being trained."""

from __future__ import annotations

from contextlib import suppress

from ..checkpoint.checkpoint import Checkpoint
from ..config import SampleConfig
from ..errors import OverflowingModelError
from ..sampling.sampler import sample

LENGTH, TEMP = 200, 0.6  # characters, and how bold they are


def sampled(model: Checkpoint, seed: int) -> str:
    """A text, up to where the model overflows: the run goes on.  Cost: a step of one stream a character."""
    parts: list[str] = []
    with suppress(OverflowingModelError):
        parts.extend(sample(model, SampleConfig(length=LENGTH, temp=TEMP, seed=seed)))
    return "".join(parts)
