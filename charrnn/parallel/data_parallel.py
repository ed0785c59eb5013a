"""Run shards on any number of ranks and threads, and add their gradients in a tree: always the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..array_types import Array, Ids
from ..kernels import reduction
from ..model.network import Network
from ..model.shard import Shard
from .batch_shards import cut
from .ranks import ALONE, Ranks
from .threads import Team

GRAIN = 4  # blocks of a flat vector that take as long as waking a thread: about 50 us


class DataParallel:
    """Computes a minibatch's loss and gradient shard by shard.

    Each rank runs consecutive shards and adds up the subtrees that lie within them.  It sends each owner that
    owner's slice of every remaining sum.  The owner adds the slices in the order of the tree and updates its
    slice of the parameters.  Then all ranks gather the slices.
    """

    def __init__(
        self,
        network: Network,
        batch: int,
        steps: int,
        team: Team,
        ranks: Ranks = ALONE,
        documents: bool = False,
    ):
        """documents: minibatches mark where documents start."""
        self.network, self.team, self.ranks = network, team, ranks
        self.batch_size, self.cuts = batch, cut(batch)
        self.mine = ranks.part(len(self.cuts))
        self.rows = [self.cuts[number] for number in self.mine]  # rows of the batch in each shard
        self.shards = [Shard(network, c.stop - c.start, steps, True, documents) for c in self.rows]
        self._plan_sums()
        self.views = [network.layout.views(row) for row in self.grads[: len(self.mine)]]
        self._nats = np.zeros(len(self.cuts))

    def _plan_sums(self) -> None:
        """Plan which rows are added on which rank, and which sums are sent."""
        ranks, count, size = self.ranks, len(self.cuts), self.network.layout.size
        owner = [rank for rank in range(ranks.size) for _ in ranks.part(count, rank)]  # by shard
        tree = reduction.tree(count).tolist()
        within = [(i, j) for i, j in tree if owner[i] == owner[min(2 * j - i, count) - 1]]  # on one rank
        added = {j for _, j in within}
        self._roots = [(owner[shard], shard) for shard in range(count) if shard not in added]  # remaining
        places = [*self.mine, *(shard for rank, shard in self._roots if rank != ranks.rank)]
        self._at = {shard: row for row, shard in enumerate(places)}  # rows of grads
        mine = [(self._at[i], self._at[j]) for i, j in within if owner[i] == ranks.rank]
        across = [(self._at[i], self._at[j]) for i, j in tree if j not in added]
        self._within, self._all = (np.array(p, np.int64).reshape(-1, 2) for p in (mine, mine + across))
        # of other ranks' rows, only those that arrive need memory
        self.grads: Array = np.zeros((len(places), size), self.network.flat.dtype)
        self.blocks = range(0, size, reduction.BLOCK)
        self._block_bounds = ranks.bounds(len(self.blocks))
        self.bounds = [min(block * reduction.BLOCK, size) for block in self._block_bounds]  # of slices
        self._squares = np.zeros(len(self.blocks))

    @property
    def grad(self) -> Array:
        """The whole gradient with one rank; with several, only this rank's slice is valid."""
        grad: Array = self.grads[self._at[0]]
        return grad

    def gradient(
        self,
        inputs: Ids,
        targets: Ids,
        keys: list[int],
        forcing: float = 1.0,
        rngs: Sequence[np.random.Generator] = (),
        fresh: Array | None = None,
    ) -> tuple[float, float]:
        """Return the loss (nats per character) and the norm of its gradient; `grad` holds the gradient.

        Shapes: inputs, targets, fresh (B, T), where B counts this rank's rows.
        keys: the dropout key of each shard.
        forcing: below 1, the share of true inputs (see Shard.student_inputs).  rngs: a generator per shard.
        """
        self.network.pack()
        scale = 1 / (self.batch_size * inputs.shape[1])
        first = self.rows[0].start

        def run(place: int) -> None:
            number, shard, rows = self.mine[place], self.shards[place], self.rows[place]
            mine = slice(rows.start - first, rows.stop - first)
            read, wanted, begins = inputs[mine], targets[mine], None if fresh is None else fresh[mine]
            if forcing < 1:
                read = shard.student_inputs(read, forcing, rngs[number], keys[number], begins)
            self._nats[number] = shard.gradient(
                read, wanted, self.grads[place], self.views[place], scale, keys[number], begins
            )

        def add(block: int) -> None:
            reduction.add_shards(self.grads, self._within, *self._range(block))

        self._exchange(lambda: self.team.each(run, len(self.mine)), add)
        norm = self.norm()
        self.ranks.allgather_array(self._nats, self.ranks.bounds(len(self.cuts)))
        return _added(self._nats) * scale, norm

    def norm(self) -> float:
        """Finish adding up the shards' gradients, and return the norm of the sum."""

        def total(block: int) -> None:
            start, stop = self._range(block)
            reduction.add_shards(self.grads, self._all, start, stop)
            self._squares[block] = reduction.sum_of_squares(self.grad, start, stop)

        self._each_block(total, self.ranks.rank)
        self.ranks.allgather_array(self._squares, self._block_bounds)
        return math.sqrt(_added(self._squares))

    def _exchange(self, run: Callable[[], None], add: Callable[[int], None]) -> None:
        """Run the shards, and send each slice of a sum to its owner as soon as it is added up."""
        mine = self.ranks.rank
        for rank, shard in self._roots:
            if rank != mine:
                self.ranks.irecv(self._slice(shard, mine), rank, shard)
        run()
        for ahead in range(1, self.ranks.size):
            owner = (mine + ahead) % self.ranks.size
            self._each_block(add, owner)
            for rank, shard in self._roots:
                if rank == mine:
                    self.ranks.isend(self._slice(shard, owner), owner, shard)
        self.ranks.waitall()

    def update(self, step: Callable[[int, int], None]) -> None:
        """Call step(start, stop) for the blocks of this rank's slice, then gather the flat vector."""
        self._each_block(lambda block: step(*self._range(block)), self.ranks.rank)
        self.ranks.allgather_array(self.network.flat, self.bounds)

    def _each_block(self, work: Callable[[int], None], rank: int) -> None:
        blocks = self.ranks.part(len(self.blocks), rank)
        self.team.each(lambda number: work(blocks[number]), len(blocks), GRAIN)

    def _slice(self, shard: int, owner: int) -> Array:
        part: Array = self.grads[self._at[shard], self.bounds[owner] : self.bounds[owner + 1]]
        return part

    def _range(self, block: int) -> tuple[int, int]:
        start = self.blocks[block]
        return start, min(start + reduction.BLOCK, self.network.layout.size)


def _added(values: Array) -> float:
    """Add one after the other. NumPy's order depends on its version; sum() compensates since Python 3.12."""
    total = 0.0
    for value in values.tolist():
        total += value
    return total
