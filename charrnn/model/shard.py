"""The memory of a shard of sequences that run on a network, and the state it carries from chunk to chunk."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..array_types import Array, Ids
from ..kernels import attention, layer, model
from ..kernels.bfloat16 import depth_of
from ..kernels.sample_character import plain, predict
from .network import Network


class Shard:
    """Memory and state for running a network on `batch` sequences, at most `steps` characters at a time."""

    def __init__(
        self, network: Network, batch: int, steps: int, dropout: bool = False, documents: bool = False
    ):
        """dropout: apply dropout, as in training.  documents: chunks mark where documents start."""
        self._documents = documents
        self.network, self.batch, self.steps = network, batch, steps
        self.rate = network.config.dropout if dropout else 0.0
        self.memory: dict[str, Array] = {}
        self._works: dict[int, model.Work] = {}
        self.state: Array = self.work(steps).state  # (L, states, B*H); 0 at the start of a stream

    @property
    def rows_of_state(self) -> Array:
        """The carried state of the layers, with an axis of sequences: (L, states, B, H)."""
        return self.state.reshape(*self.state.shape[:2], self.batch, -1)

    @property
    def carried(self) -> Array:
        """A copy of what sequences carry between chunks (B, Layout.carried_size); 0 at a stream's start."""
        return self._joined(self._carried())

    @carried.setter
    def carried(self, values: Array | float) -> None:
        self.carry(slice(None), values)

    def carry(self, rows: slice, values: Array | float) -> None:
        """Set what some sequences carry; values: (rows, Layout.carried_size), or 0 to start over."""
        layout = self.network.layout
        count = len(range(self.batch)[rows])
        parts = layout.carried_views(np.broadcast_to(values, (count, layout.carried_size)))
        for name, part in self._carried().items():
            part[rows] = parts[name]

    def carried_gradient(self, steps: int) -> Array:
        """After `gradient` of `steps` characters: the gradient of `carried` (B, Layout.carried_size)."""
        work = self.work(steps)
        parts = {"state": work.ds_rows.transpose(2, 0, 1, 3)}
        if looks := work.attention:
            past = looks.past_keys.shape[1]
            parts |= {"past_keys": looks.dkeys[:, :past], "past_values": looks.dvalues[:, :past]}
            parts |= {"steps_carried": np.zeros_like(looks.steps_carried)}
        return self._joined(parts)

    def _joined(self, parts: dict[str, Array]) -> Array:
        layout = self.network.layout
        values = np.empty((self.batch, layout.carried_size), self.state.dtype)
        for name, view in layout.carried_views(values).items():
            view[...] = parts[name]
        return values

    def _carried(self) -> dict[str, Array]:
        """Return views of the carried values, with sequences as the first axis."""
        looks = self.work(self.steps).attention
        state = self.rows_of_state.transpose(2, 0, 1, 3)
        return {
            name: state if name == "state" else getattr(looks, name) for name in self.network.layout.carried
        }

    def work(self, steps: int) -> model.Work:
        """Return views of the memory for a chunk of `steps` characters; the last may be shorter."""
        if steps not in self._works:
            self._works[steps] = self._views(steps)
        return self._works[steps]

    def _view(self, name: str, *shape: int, dtype: Any = None) -> Array:
        """Return the start of a named block of memory. The first chunk, the longest, sets its size."""
        if name not in self.memory:
            self.memory[name] = self.network.make(prod(shape), dtype or self.network.flat.dtype)
        return self.memory[name][: prod(shape)].reshape(shape)

    def _views(self, steps: int) -> model.Work:
        config, cell, view = self.network.config, self.network.cell, self._view
        layers, hidden, embed = config.num_layers, config.hidden_size, config.embed_size
        batch, vocab, n = self.batch, self.network.vocab_size, steps * self.batch
        blocks, states = len(cell.blocks), len(cell.states)
        factor, packed = self.network.factor, self.network.packed_size
        return model.Work(
            ids=view("ids", n, dtype=np.int32),
            targets=view("targets", n, dtype=np.int32),
            fresh=view("fresh", n if self._documents else 0, dtype=np.uint8),
            x=view("x", n, embed),
            dx=view("dx", n, embed),
            state=view("state", layers, states, batch * hidden),
            a=view("a", layers, blocks, steps, batch * hidden),
            a_rows=view("a", layers, blocks, n, hidden),
            s=view("s", layers, states, steps + 1, batch * hidden),
            s_rows=view("s", layers, states, n + batch, hidden),
            ds=view("ds", layers, states, batch * hidden),
            ds_rows=view("ds", layers, states, batch, hidden),
            dropped=view("dropped", layers if self.rate else 0, n, hidden),
            kept=view("kept", states, batch if self._documents else 0, hidden),
            dy=view("dy", steps, batch * hidden),
            dy_rows=view("dy", n, hidden),
            logits=view("logits", 1, n, vocab),
            nats=view("nats", n, dtype=np.float64),
            buffer=view("buffer", packed(layer.BLOCK, max(hidden, embed)), dtype=factor),
            pairs=view("pairs", self._pairs(steps), dtype=factor),
            attention=self._attention(steps) if config.attention else None,
        )

    def _attention(self, steps: int) -> attention.Memory:
        config, batch, view = self.network.config, self.batch, self._view
        n, size, past = steps * batch, config.attention_size, config.attention - 1
        looked, packed = past + steps, self.network.packed_size
        return attention.Memory(
            past_keys=view("past_keys", batch, past, size),
            past_values=view("past_values", batch, past, size),
            steps_carried=view("steps_carried", batch, 1),
            qkv=view("qkv", 3, n, size),
            keys=view("keys", batch, looked, size),
            values=view("values", batch, looked, size),
            share=view("share", batch, steps, looked),
            context=view("context", n, size),
            dcontext=view("dcontext", n, size),
            dkeys=view("dkeys", batch, looked, size),
            dvalues=view("dvalues", batch, looked, size),
            dshare=view("dshare", steps, looked),
            rows=view("rows", steps, size),
            panels=view("panels", max(packed(size, looked), packed(looked, size)), dtype=self.network.factor),
        )

    def _pairs(self, steps: int) -> int:
        """Return the pairs in the largest left factor: a chunk's rows, or a transposed block of rows."""
        config, vocab = self.network.config, self.network.vocab_size
        if not self.network.pairs:
            return 0
        n = steps * self.batch
        columns = max(config.hidden_size, config.embed_size, vocab, config.attention_size)
        looked = config.attention - 1 + steps if config.attention else 0
        sizes = ((n, columns), (columns, layer.BLOCK), (steps, looked), (looked, steps))
        return max(rows * depth_of(k) for rows, k in sizes)

    def read(self, ids: Ids) -> None:
        """Read a text (N,) as one sequence, without dropout, and carry its state."""
        for start in range(0, len(ids), self.steps):
            chunk = ids[None, start : start + self.steps]
            self.score(chunk, chunk)

    def gradient(
        self,
        inputs: Array,
        targets: Array,
        grad: Array,
        views: model.Weights,
        scale: float,
        key: int = 0,
        fresh: Array | None = None,
    ) -> float:
        """Return the sum of nats of a chunk, write the gradient of scale times it to `grad`, carry the state.

        Shapes: inputs, targets (B, T), T at most `steps`; grad (Layout.size,), viewed as `views`.
        key: 64 bits for the dropout masks.  fresh (B, T): 1 where documents start, with a state of 0.
        """
        work, network = self._load(inputs, targets, fresh), self.network
        mask = self.rate, np.uint64(key)
        model.forward(network.cell, network.weights, network.panels, work, *mask)
        nats: float = model.score(work)
        model.backward(network.cell, network.panels, work, grad, views, scale, *mask)
        return nats

    def loss(self, inputs: Array, targets: Array, key: int = 0) -> float:
        """Return the sum of nats of a chunk, with dropout as in `gradient`, and carry the state."""
        work, network = self._load(inputs, targets), self.network
        model.forward(network.cell, network.weights, network.panels, work, self.rate, np.uint64(key))
        nats: float = model.score(work)
        return nats

    def score(self, inputs: Array, targets: Array) -> Array:
        """Return -ln p of each target (B, T), float64, without dropout, and carry the state.

        The array is valid until the next call.
        """
        work, network = self._load(inputs, targets), self.network
        model.forward(network.cell, network.weights, network.panels, work, 0.0, np.uint64(0))
        model.score(work)
        nats: Array = work.nats.reshape(inputs.shape[1], self.batch).T
        return nats

    def student_inputs(
        self,
        inputs: Array,
        forcing: float,
        rng: np.random.Generator,
        key: int,
        fresh: Array | None = None,
    ) -> Array:
        """Return inputs (B, T); all but the first are kept with probability `forcing`, else sampled.

        Scheduled sampling (Bengio et al. 2015) in its parallel form (Duckworth et al. 2019): one pass over
        the true inputs gives all predictions to sample from. The state is not carried.
        key, fresh: as in `gradient`; the first characters of documents are kept.
        """
        work, network = self._load(inputs, inputs, fresh), self.network
        model.forward(network.cell, network.weights, network.panels, work, self.rate, np.uint64(key))
        drawn = np.empty(inputs.size, np.int32)
        rules, p = plain(network.vocab_size), np.empty(network.vocab_size)
        predict(work.logits[0], rules, rng.random(inputs.size), p, drawn)
        guesses = drawn.reshape(inputs.shape[1], self.batch).T
        mixed = inputs.copy()
        replaced = rng.random(inputs[:, 1:].shape) >= forcing
        if fresh is not None:
            replaced &= fresh[:, 1:] == 0
        mixed[:, 1:][replaced] = guesses[:, :-1][replaced]
        return mixed

    def correct(self, steps: int) -> Array:
        """After `score` of `steps` characters: whether each target was the most likely (B, T)."""
        work = self.work(steps)
        correct: Array = work.logits[0].argmax(axis=1) == work.targets
        return correct.reshape(steps, self.batch).T

    def _load(self, inputs: Array, targets: Array, fresh: Array | None = None) -> model.Work:
        work = self.work(inputs.shape[1])
        if self._documents:
            work.fresh.reshape(-1, self.batch)[...] = 0 if fresh is None else fresh.T
        work.ids.reshape(-1, self.batch)[...] = inputs.T
        work.targets.reshape(-1, self.batch)[...] = targets.T
        return work
