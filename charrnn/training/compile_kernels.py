"""Every kernel of a run, compiled before its clock starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..checkpoint.checkpoint import Checkpoint
from ..config import ModelConfig, TrainConfig
from ..kernels import optimizers
from ..model.network import Network
from ..parallel.threads import Team
from ..scoring.reader import evaluate
from ..text.vocabulary import Vocabulary
from .learner import Learner
from .samples import sampled


def compile_kernels(model: ModelConfig, config: TrainConfig) -> None:
    """Run each once on a model of the smallest size, whose types are the same."""
    small = replace(model, hidden_size=1, num_layers=1, embed_size=0)
    learner = Learner(Network(small, 1), 1, 1, config, Team(1))
    learner.step(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8), 0.1, 0, 0)
    optimizers.clip(learner.parallel.grad, 1.0, 0.0)
    optimizers.clamp(learner.network.flat, 1.0)
    evaluate(learner.network, np.zeros(2, np.uint8), Team(1))
    if config.sample_every:
        sampled(Checkpoint(learner.network, Vocabulary.of("a"), {}), config.seed)
