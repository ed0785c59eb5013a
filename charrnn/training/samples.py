"""What a model writes while it is being trained."""

from __future__ import annotations

from ..checkpoint.checkpoint import Checkpoint
from ..config import SampleConfig
from ..sampling.sampler import sample

LENGTH, TEMP = 200, 0.6  # characters, and how bold they are


def sampled(model: Checkpoint, seed: int) -> str:
    """A text.  Cost: a step of one stream a character."""
    return "".join(sample(model, SampleConfig(length=LENGTH, temp=TEMP, seed=seed)))
