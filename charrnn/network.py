"""A model in memory: weights, packed weights, and what a shard of sequences needs to run."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .config import ModelConfig
from .kernels import layer, model
from .kernels.draw import plain, predict
from .kernels.tile import packed_size
from .parameters import Array, Layout


class Network:
    """The parameters of a model and everything that runs on them; `shard` gives memory to run in."""

    def __init__(
        self,
        config: ModelConfig,
        vocab_size: int,
        flat: Array | None = None,
        seed: int = 0,
        make: Callable[..., Array] = np.zeros,
    ):
        """flat: the parameters (Layout.size,), kept and not copied; by default initial ones from `seed`.

        make: gives all other memory, called with shape and dtype.
        """
        self.make = make
        self.config, self.vocab_size = config, vocab_size
        self.layout = Layout(config, vocab_size)
        self.cell = self.layout.cell
        self.flat = self.layout.initial(seed) if flat is None else flat
        self.weights = self.layout.views(self.flat)
        self.panels = self._panels()

    def _panels(self) -> model.Panels:
        """Memory for the packed weights."""
        config, vocab, dtype = self.config, self.vocab_size, self.flat.dtype
        hidden, layers, gates = config.hidden_size, config.num_layers, len(self.cell.input)

        def empty(shape: tuple[int, ...], depth: int, columns: int) -> Array:
            return self.make((*shape, packed_size(depth, columns, dtype.itemsize)), dtype)

        embedded, size = (gates if config.embed_size else 0,), config.attention_size
        attended = (3 if config.attention else 0,)
        return model.Panels(
            input=empty(embedded, config.embed_size, hidden),
            stacked=empty((layers - 1, gates), hidden, hidden),
            recurrent=empty((layers, gates), hidden, hidden),
            attend=empty(attended, hidden, size),
            context=empty((), size, vocab),
            out=empty((), hidden, vocab),
            input_back=empty(embedded, hidden, config.embed_size),
            stacked_back=empty((layers - 1, gates), hidden, hidden),
            recurrent_back=empty((layers, gates), hidden, hidden),
            attend_back=empty(attended, size, hidden),
            context_back=empty((), vocab, size),
            out_back=empty((), vocab, hidden),
        )

    def pack(self, back: bool = True) -> None:
        """To be called after `flat` changed.  back: also for `Shard.gradient`."""
        model.pack_weights(self.weights, self.panels, back)

    def shard(self, batch: int, steps: int, dropout: bool = False) -> Shard:
        """Memory to run `batch` sequences, at most `steps` characters at a time; dropout: as in training."""
        return Shard(self, batch, steps, dropout)


class Shard:
    """Memory to run a network on `batch` sequences, at most `steps` characters at a time; their state."""

    def __init__(self, network: Network, batch: int, steps: int, dropout: bool):
        self.network, self.batch, self.steps = network, batch, steps
        self.rate = network.config.dropout if dropout else 0.0
        self.memory: dict[str, Array] = {}
        self._works: dict[int, model.Work] = {}
        self.state: Array = self.work(steps).state  # (L, states, B*H); zero at a stream's start

    @property
    def rows_of_state(self) -> Array:
        """The carried state of the layers, sequence by sequence: (L, states, B, H)."""
        return self.state.reshape(*self.state.shape[:2], self.batch, -1)

    @property
    def carried(self) -> Array:
        """What sequences carry between chunks (B, Layout.carried_size), a copy; 0 at a stream's start."""
        return np.concatenate([part.reshape(self.batch, -1) for part in self._carried()], axis=1)

    @carried.setter
    def carried(self, values: Array | float) -> None:
        self.carry(slice(None), values)

    def carry(self, rows: slice, values: Array | float) -> None:
        """Set what some sequences carry: values (rows, Layout.carried_size), or 0 to start anew."""
        count, start = len(range(self.batch)[rows]), 0
        values = np.broadcast_to(values, (count, self.network.layout.carried_size))
        for part in self._carried():
            size = prod(part.shape[1:])
            part[rows] = values[:, start : start + size].reshape(count, *part.shape[1:])
            start += size

    def carried_gradient(self, steps: int) -> Array:
        """After `gradient` of a chunk of `steps`: that of what was carried in (B, Layout.carried_size)."""
        work, past = self.work(steps), self.work(steps).past_keys.shape[1]
        ds = work.ds_rows.transpose(2, 0, 1, 3)
        parts = [ds, work.dkeys[:, :past], work.dvalues[:, :past], np.zeros_like(work.steps_carried)]
        return np.concatenate([part.reshape(self.batch, -1) for part in parts], axis=1)

    def _carried(self) -> list[Array]:
        """Views of it, sequences first."""
        work = self.work(self.steps)
        return [
            self.rows_of_state.transpose(2, 0, 1, 3),
            work.past_keys,
            work.past_values,
            work.steps_carried,
        ]

    def work(self, steps: int) -> model.Work:
        """Views of the memory for a chunk of `steps` characters (a text's last chunk is shorter)."""
        if steps not in self._works:
            self._works[steps] = self._views(steps)
        return self._works[steps]

    def _views(self, steps: int) -> model.Work:
        config, cell = self.network.config, self.network.cell
        layers, hidden, embed = config.num_layers, config.hidden_size, config.embed_size
        batch, vocab, dtype = self.batch, self.network.vocab_size, self.network.flat.dtype
        n = steps * batch
        window, size = config.attention, config.attention_size if config.attention else 0
        past = max(0, window - 1)
        looked, width = past + steps if window else 0, dtype.itemsize

        def view(name: str, *shape: int, dtype: Any = dtype) -> Array:
            memory = self.memory.setdefault(name, self.network.make(prod(shape), dtype))
            return memory[: prod(shape)].reshape(shape)

        return model.Work(
            ids=view("ids", n, dtype=np.int32),
            targets=view("targets", n, dtype=np.int32),
            x=view("x", n, embed),
            dx=view("dx", n, embed),
            state=view("state", layers, cell.states, batch * hidden),
            a=view("a", layers, cell.blocks, steps, batch * hidden),
            a_rows=view("a", layers, cell.blocks, n, hidden),
            s=view("s", layers, cell.states, steps + 1, batch * hidden),
            s_rows=view("s", layers, cell.states, n + batch, hidden),
            ds=view("ds", layers, cell.states, batch * hidden),
            ds_rows=view("ds", layers, cell.states, batch, hidden),
            dropped=view("dropped", layers if self.rate else 0, n, hidden),
            attend=view("attend", 3, n, size),
            past_keys=view("past_keys", batch, past, size),
            past_values=view("past_values", batch, past, size),
            steps_carried=view("steps_carried", batch, 1 if window else 0),
            keys=view("keys", batch, past + steps, size),
            values=view("values", batch, past + steps, size),
            share=view("share", batch, steps, looked),
            context=view("context", n, size),
            dcontext=view("dcontext", n, size),
            dkeys=view("dkeys", batch, past + steps, size),
            dvalues=view("dvalues", batch, past + steps, size),
            dshare=view("dshare", steps, looked),
            rows=view("rows", steps, size),
            panels=view("panels", max(packed_size(size, looked, width), packed_size(looked, size, width))),
            dy=view("dy", steps, batch * hidden),
            dy_rows=view("dy", n, hidden),
            logits=view("logits", 1, n, vocab),
            nats=view("nats", n, dtype=np.float64),
            buffer=view("buffer", packed_size(layer.BLOCK, max(hidden, embed), width)),
        )

    def gradient(
        self, inputs: Array, targets: Array, grad: Array, views: model.Weights, scale: float, key: int = 0
    ) -> float:
        """Sum of nats of a chunk; `grad` becomes the gradient of scale times it; the state is carried on.

        Shapes: inputs, targets (B, T), T at most `steps`; grad (Layout.size,), seen as `views`.
        key: of the dropout masks, 64 bits.
        """
        work, network, mask = self._load(inputs, targets), self.network, (self.rate, np.uint64(key))
        model.forward(network.cell, network.weights, network.panels, work, *mask)
        nats: float = model.score(work)
        model.backward(network.cell, network.panels, work, grad, views, scale, *mask)
        return nats

    def loss(self, inputs: Array, targets: Array, key: int = 0) -> float:
        """Sum of nats of a chunk, with dropout as in `gradient`; the state is carried on."""
        work, network = self._load(inputs, targets), self.network
        model.forward(network.cell, network.weights, network.panels, work, self.rate, np.uint64(key))
        nats: float = model.score(work)
        return nats

    def score(self, inputs: Array, targets: Array) -> Array:
        """-ln p of each target (B, T), float64, without dropout; valid until the next call.

        The state is carried on.
        """
        work, network = self._load(inputs, targets), self.network
        model.forward(network.cell, network.weights, network.panels, work, 0.0, np.uint64(0))
        model.score(work)
        nats: Array = work.nats.reshape(inputs.shape[1], self.batch).T
        return nats

    def student_inputs(self, inputs: Array, forcing: float, rng: np.random.Generator, key: int) -> Array:
        """A chunk's inputs (B, T), each but the first kept with chance `forcing`, else drawn by the model.

        Scheduled sampling (Bengio et al. 2015) in its parallel form (Duckworth et al. 2019): all predictions
        are drawn from one pass over the true inputs. The state is not carried on.  key: as in `gradient`.
        """
        work, network = self._load(inputs, inputs), self.network
        model.forward(network.cell, network.weights, network.panels, work, self.rate, np.uint64(key))
        drawn = np.empty(inputs.size, np.int32)
        rules, p = plain(network.vocab_size), np.empty(network.vocab_size)
        predict(work.logits[0], rules, rng.random(inputs.size), p, drawn)
        guesses = drawn.reshape(inputs.shape[1], self.batch).T
        mixed = inputs.copy()
        replaced = rng.random(inputs[:, 1:].shape) >= forcing
        mixed[:, 1:][replaced] = guesses[:, :-1][replaced]
        return mixed

    def right(self, steps: int) -> Array:
        """After `score` of a chunk of `steps`: whether each target was the likeliest character (B, T)."""
        work = self.work(steps)
        right: Array = work.logits[0].argmax(axis=1) == work.targets
        return right.reshape(steps, self.batch).T

    def _load(self, inputs: Array, targets: Array) -> model.Work:
        work = self.work(inputs.shape[1])
        work.ids.reshape(-1, self.batch)[...] = inputs.T
        work.targets.reshape(-1, self.batch)[...] = targets.T
        return work
