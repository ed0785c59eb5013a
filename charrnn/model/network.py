"""A model in memory: its parameters, and these packed for the matrix product."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..array_types import Array
from ..config import ModelConfig
from ..kernels import attention, model
from ..kernels.matmul import packed_size
from .layout import Layout


class Network:
    """The parameters of a model; a `Shard` runs on them."""

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
        looks = None
        if config.attention:
            looks = attention.Panels(
                project=empty((3,), hidden, size),
                out=empty((), size, vocab),
                project_back=empty((3,), size, hidden),
                out_back=empty((), vocab, size),
            )
        return model.Panels(
            input=empty(embedded, config.embed_size, hidden),
            stacked=empty((layers - 1, gates), hidden, hidden),
            recurrent=empty((layers, gates), hidden, hidden),
            out=empty((), hidden, vocab),
            input_back=empty(embedded, hidden, config.embed_size),
            stacked_back=empty((layers - 1, gates), hidden, hidden),
            recurrent_back=empty((layers, gates), hidden, hidden),
            out_back=empty((), vocab, hidden),
            attention=looks,
        )

    def pack(self, back: bool = True) -> None:
        """To be called after `flat` changed.  back: also for `Shard.gradient`."""
        model.pack_weights(self.weights, self.panels, back)
