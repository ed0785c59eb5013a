"""Layout of all parameters in one flat vector, and of the values a sequence carries from chunk to chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod, sqrt

import numpy as np

from .. import cells
from ..array_types import Array
from ..config import ModelConfig
from ..kernels import attention
from ..kernels.cell_interface import Cell
from ..kernels.model import Weights

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """The place of each parameter of a model in the flat vector."""

    config: ModelConfig
    vocab_size: int

    @cached_property
    def cell(self) -> Cell:
        return cells.find(self.config.cell)

    @cached_property
    def shapes(self) -> Weights:
        """The shape of each view, in the order of the flat vector (see kernels/model.py)."""
        v, h, e = self.vocab_size, self.config.hidden_size, self.config.embed_size
        window, a = self.config.attention, self.config.attention_size
        layers, gates = self.config.num_layers, len(self.cell.input)
        return Weights(
            embed=(v if e else 0, e),
            input=(gates, h, e) if e else (v, gates, h),
            stacked=(layers - 1, gates, h, h),
            recurrent=(layers, gates, h, h),
            bias=(layers, self.cell.biases, h),
            attention=attention.Weights((3, a, h), (window,), (1, v, a)) if window else None,
            out=(1, v, h),
            out_bias=(1, v),
        )

    @cached_property
    def size(self) -> int:
        return sum(map(prod, self._in_order()))

    @cached_property
    def products(self) -> int:
        """Weights in matrix products: 2 flops each per character forward, 4 back; lookups cost none."""
        shapes, looks = self.shapes, self.shapes.attention
        dense = [shapes.stacked, shapes.recurrent, shapes.out]
        dense += [looks.project, looks.out] if looks else []
        dense += [shapes.input] if self.config.embed_size else []
        return sum(map(prod, dense))

    def views(self, flat: Array) -> Weights:
        """Return the parts of `flat` (size,) as shaped arrays that share its memory."""
        parts, start = [], 0
        for shape in self._in_order():
            parts.append(flat[start : start + prod(shape)].reshape(shape))
            start += prod(shape)
        rest = iter(parts)
        shaped = (None if of is None else _like(of, rest) for of in self.shapes)
        return Weights(*shaped)

    def _in_order(self) -> list[Shape]:
        shapes: list[Shape] = []
        for of in self.shapes:
            shapes += of if isinstance(of, attention.Weights) else [] if of is None else [of]
        return shapes

    @cached_property
    def carried(self) -> dict[str, Shape]:
        """The shapes of what a sequence carries from chunk to chunk, in the order in which it is saved.

        state: the state of all layers.  With attention, also the keys and values that the next steps look
        back on, and their number.
        """
        config = self.config
        state: dict[str, Shape] = {"state": (config.num_layers, len(self.cell.states), config.hidden_size)}
        past = (config.attention - 1, config.attention_size)
        looks: dict[str, Shape] = {"past_keys": past, "past_values": past, "steps_carried": (1,)}
        return state | looks if config.attention else state

    @property
    def carried_size(self) -> int:
        """How many numbers a sequence carries."""
        return sum(map(prod, self.carried.values()))

    def carried_views(self, values: Array) -> dict[str, Array]:
        """Return views by name of the values that B sequences carry (B, carried_size)."""
        views, start = {}, 0
        for name, shape in self.carried.items():
            views[name] = values[:, start : start + prod(shape)].reshape(len(values), *shape)
            start += prod(shape)
        return views

    def initial(self, seed: int) -> Array:
        """Return initial parameters: embeddings from N(0, 1), lag biases 0, all others uniform.

        Weights of recurrent layers are within +-sqrt(3 / inputs) (LeCun et al. 1998), those of one-hot inputs
        within +-1, because only one input is 1 at a time, and all others within +-1/sqrt(H). With PyTorch's
        initialization, all within +-1/sqrt(H), two LSTM layers learn nothing for hundreds of steps. A forget
        gate bias of 1 (Jozefowicz et al. 2015) learned more slowly: docs/training.md.
        """
        rng = np.random.default_rng([seed, 0])
        bound = 1 / sqrt(self.config.hidden_size)
        # like rng.uniform(-bound, bound), but a compiler may fuse multiplication and addition in that
        flat = ((2 * bound) * rng.random(self.size) - bound).astype(self.config.storage)
        w = self.views(flat)
        w.stacked[...] *= sqrt(3)
        w.recurrent[...] *= sqrt(3)
        w.input[...] *= (sqrt(3 / self.config.embed_size) if self.config.embed_size else 1) / bound
        w.embed[...] = rng.standard_normal(w.embed.shape)
        if w.attention:
            w.attention.lag[...] = 0
        return flat


def _like(shape: Shape | attention.Weights, parts: Iterator[Array]) -> Array | attention.Weights:
    """Take the next of `parts`, grouped like `shape`."""
    return (
        attention.Weights(*(next(parts) for _ in shape))
        if isinstance(shape, attention.Weights)
        else next(parts)
    )
