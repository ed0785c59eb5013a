"""One training step: gradient, clipping, update."""

from __future__ import annotations

import math

import numpy as np

from ..array_types import Array, Ids
from ..config import TrainConfig
from ..kernels import optimizers
from ..model.network import Network
from ..parallel.data_parallel import DataParallel
from ..parallel.ranks import ALONE, Ranks
from ..parallel.threads import Team

WORST = 3.0  # times the loss of uniform guessing: above, training is diverging


class Learner:
    """A network and its optimizer, for chunks of at most `batch` sequences by `steps` characters.

    With several ranks, each has some of the sequences, and updates its own slice of the parameters and of
    `slots`.
    """

    def __init__(
        self, network: Network, batch: int, steps: int, config: TrainConfig, team: Team, ranks: Ranks = ALONE
    ):
        self.network, self.config, self.ranks = network, config, ranks
        self.parallel = DataParallel(network, batch, steps, team, ranks, bool(config.documents))
        shape = optimizers.SLOTS[config.optimizer], network.flat.size + 1
        # an unused column, so that blocks of all sizes have one type for the compiler
        self.slots: Array = np.zeros(shape, network.flat.dtype)[:, :-1]
        self._rule = getattr(optimizers, config.optimizer)

    def step(
        self,
        inputs: Ids,
        targets: Ids,
        lr: float,
        number: int,
        updates: int,
        fresh: Array | None = None,
    ) -> tuple[float, float, bool]:
        """Learn from a chunk (B, T), where B counts the rows of this rank.

        number: of the step in the run.  updates: how many were made before.  fresh (B, T): where documents
        begin.
        Returns the loss (nats per character), the gradient norm before clipping, and whether an update was
        made. None is made if the norm is not finite or the loss is far worse than guessing: then the
        parameters stay as they were, and the carried states are set to 0.
        """
        forcing = self.config.teacher_forcing
        loss, norm = self.parallel.gradient(
            inputs, targets, self._dropout_keys(number), forcing, self._rngs(number), fresh
        )
        worst = WORST * max(1.0, math.log(self.network.vocab_size))
        if not (math.isfinite(norm) and loss < worst):
            self.reset()
            return loss, norm, False
        clip = self.config.clip_norm
        self.update(lr, updates, clip / norm if 0 < clip < norm else 1.0)
        return loss, norm, True

    def update(self, lr: float, updates: int, factor: float) -> None:
        """Update the parameters by the gradient scaled by `factor`."""

        def of_block(start: int, stop: int) -> None:
            w, g = self.network.flat[start:stop], self.parallel.grad[start:stop]
            if factor < 1 or self.config.clip_value:
                optimizers.clip(g, factor, self.config.clip_value)
            self._rule(w, g, self.slots[:, start:stop], lr, updates + 1, self.config.weight_decay)
            if self.config.weight_clip:
                optimizers.clamp(w, self.config.weight_clip)

        self.parallel.update(of_block)

    def reset(self) -> None:
        """Set the carried states to 0, as at the start of the streams."""
        for shard in self.parallel.shards:
            shard.carried = 0

    def restart(self, stream: int) -> None:
        """Set the state of one stream to 0, if it exists."""
        for rows, shard in zip(self.parallel.rows, self.parallel.shards, strict=True):
            if rows.start <= stream < rows.stop:
                shard.carry(slice(stream - rows.start, stream - rows.start + 1), 0)

    @property
    def state_shape(self) -> tuple[int, int]:
        return self.parallel.batch_size, self.network.layout.carried_size

    @property
    def state(self) -> Array:
        """A copy of the states that all streams carry (B, Layout.carried_size)."""
        state = np.zeros(self.state_shape, self.network.flat.dtype)
        for rows, shard in zip(self.parallel.rows, self.parallel.shards, strict=True):
            state[rows] = shard.carried
        cuts = self.parallel.cuts
        starts = [*(rows.start for rows in cuts), len(state)]
        self.ranks.allgather_array(state, [starts[shard] for shard in self.ranks.bounds(len(cuts))])
        return state

    @state.setter
    def state(self, state: Array) -> None:
        for rows, shard in zip(self.parallel.rows, self.parallel.shards, strict=True):
            shard.carried = state[rows]

    def gather(self) -> None:
        """Complete `slots` on all ranks; each rank has the slice that it updates."""
        for slot in self.slots:
            self.ranks.allgather_array(slot, self.parallel.bounds)

    def spread(self) -> None:
        """Copy the parameters and `slots` of rank 0 to all ranks."""
        self.ranks.broadcast_array(self.network.flat)
        for slot in self.slots:
            self.ranks.broadcast_array(slot)

    def _rngs(self, number: int) -> list[np.random.Generator]:
        """Return random generators for scheduled sampling, one per shard, from (seed, step, shard) alone."""
        shards = range(len(self.parallel.cuts) if self.config.teacher_forcing < 1 else 0)
        return [np.random.default_rng([self.config.seed, 2, number, shard]) for shard in shards]

    def _dropout_keys(self, number: int) -> list[int]:
        """Return 64 random bits for each shard, from (seed, step, shard) alone."""
        shards = len(self.parallel.cuts)
        if not self.network.config.dropout:
            return [0] * shards
        seeds = np.random.SeedSequence([self.config.seed, 1, number])
        return [int(key) for key in seeds.generate_state(shards, np.uint64)]
