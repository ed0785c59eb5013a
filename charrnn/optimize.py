"""One step of learning: gradient, clipping, update."""

from __future__ import annotations

import math

import numpy as np

from .config import TrainConfig
from .kernels import update
from .network import Network
from .parallel import DataParallel, Team
from .parameters import Array
from .text import Ids


class Learner:
    """A network and its optimiser, for chunks of `batch` sequences by at most `steps` characters."""

    def __init__(self, network: Network, batch: int, steps: int, config: TrainConfig, team: Team):
        self.network, self.config = network, config
        self.parallel = DataParallel(network, batch, steps, team)
        self.moments: tuple[Array, Array] = (np.zeros_like(network.flat), np.zeros_like(network.flat))
        self.steps = 0

    def step(self, inputs: Ids, targets: Ids) -> tuple[float, float]:
        """Learn from a chunk (B, T); returns its loss (nats per character) and the unclipped gradient's norm.

        Where either is not finite, nothing is learned.
        """
        loss, norm = self.parallel.gradient(inputs, targets, self._dropout_keys())
        if not math.isfinite(loss + norm):
            return loss, norm
        self.steps += 1
        clip = self.config.clip_norm
        factor = clip / norm if 0 < clip < norm else 1.0
        self.parallel.update(
            lambda start, stop: update.adam(
                self.network.flat,
                self.parallel.grad,
                *self.moments,
                start,
                stop,
                factor,
                self.config.lr,
                self.steps,
            )
        )
        return loss, norm

    def reset(self) -> None:
        """Zero the carried states: the start of the streams."""
        self.parallel.reset()

    def _dropout_keys(self) -> list[int]:
        """64 bits for each shard, from (seed, step, shard) alone."""
        shards = len(self.parallel.shards)
        if not self.network.config.dropout:
            return [0] * shards
        seeds = np.random.SeedSequence([self.config.seed, 1, self.steps])
        return [int(key) for key in seeds.generate_state(shards, np.uint64)]
