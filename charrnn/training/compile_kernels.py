"""Compile every kernel of a run before its clock starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..checkpoint.checkpoint import Checkpoint
from ..config import ModelConfig, TrainConfig
from ..kernels import model as kernels
from ..kernels import optimizers
from ..kernels.helpers import compile_from_the_end
from ..model.network import Network
from ..parallel.threads import Team
from ..scoring.reader import evaluate
from ..text.vocabulary import Vocabulary
from .learner import Learner
from .samples import sampled


def compile_kernels(model: ModelConfig, config: TrainConfig) -> None:
    """Run each kernel once, on a model of the smallest size with the same types."""
    compile_from_the_end(calls, model, config)
    learner = _smallest(model, config)
    learner.step(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8), 0.1, 0, 0)
    optimizers.clip(learner.parallel.grad, 1.0, 0.0)
    if config.weight_clip:
        optimizers.clamp(learner.network.flat, 1.0)
    evaluate(learner.network, np.zeros(2, np.uint8), Team(1))
    if config.sample_every:
        sampled(Checkpoint(learner.network, Vocabulary.of("a"), {}), config.seed)


def calls(model: ModelConfig, config: TrainConfig) -> list[Callable[[], object]]:
    """Return a call to each kernel that takes long to compile; see kernels/helpers.py."""
    learner = _smallest(model, config)
    network, parallel = learner.network, learner.parallel
    shard, grad, views = parallel.shards[0], parallel.grads[0], parallel.views[0]
    work, mask = shard.work(1), (shard.rate, np.uint64(0))
    return [
        lambda: kernels.backward(network.cell, network.panels, work, grad, views, 1.0, *mask),
        lambda: kernels.forward(network.cell, network.weights, network.panels, work, *mask),
        network.pack,
        lambda: kernels.score(work),
        lambda: learner.update(0.1, 0, 1.0),
        parallel.norm,
    ]


def _smallest(model: ModelConfig, config: TrainConfig) -> Learner:
    small = replace(model, hidden_size=1, num_layers=1, embed_size=0)
    return Learner(Network(small, 1), 1, 1, config, Team(1))
