"""All parameters in one flat vector, with named views; PyTorch's names for them; their first values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import cells
from .config import ModelConfig
from .kernels.model import Weights

Array = NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """Where each parameter of a model lies in the flat vector."""

    config: ModelConfig
    vocab_size: int

    @cached_property
    def cell(self) -> Any:
        return cells.find(self.config.cell)

    @cached_property
    def shapes(self) -> Weights:
        """The shape of each view, in the order in which they lie (see kernels/model.py)."""
        v, h, e = self.vocab_size, self.config.hidden_size, self.config.embed_size
        attention, a = self.config.attention, self.config.attention_size
        layers, gates = self.config.num_layers, len(self.cell.input)
        biases = len({*self.cell.input, *self.cell.recurrent})
        return Weights(
            embed=(v if e else 0, e),
            input=(gates, h, e) if e else (v, gates, h),
            stacked=(layers - 1, gates, h, h),
            recurrent=(layers, gates, h, h),
            bias=(layers, biases, h),
            attend=(3 if attention else 0, a, h),
            lag=(attention,),
            context=(1 if attention else 0, v, a),
            out=(1, v, h),
            out_bias=(1, v),
        )

    @cached_property
    def size(self) -> int:
        return sum(prod(shape) for shape in self.shapes)

    @cached_property
    def products(self) -> int:
        """Weights of the matrix products: 2 flops each a character forward, 4 back; a lookup costs none."""
        shapes = self.shapes
        dense = (
            *(shapes.stacked, shapes.recurrent, shapes.attend, shapes.context, shapes.out),
            *([shapes.input] if self.config.embed_size else []),
        )
        return sum(prod(shape) for shape in dense)

    def views(self, flat: Array) -> Weights:
        """The parts of `flat` (size,) as shaped arrays that share its memory."""
        parts, start = [], 0
        for shape in self.shapes:
            parts.append(flat[start : start + prod(shape)].reshape(shape))
            start += prod(shape)
        return Weights(*parts)

    def named(self, flat: Array) -> dict[str, Array]:
        """Every learned number of `flat`, once, under PyTorch's names where it has one; views, not copies.

        A layer's biases stand together as rnn.bias_l0, in the order of the cell's blocks, because
        only the sum of PyTorch's two is learned.
        """
        w, h = self.views(flat), self.config.hidden_size
        arrays = {"embed.weight": w.embed} if self.config.embed_size else {}
        for layer in range(self.config.num_layers):
            arrays[f"rnn.weight_ih_l{layer}"] = self._input_weight(w, layer)
            arrays[f"rnn.weight_hh_l{layer}"] = w.recurrent[layer].reshape(-1, h)
            arrays[f"rnn.bias_l{layer}"] = w.bias[layer].reshape(-1)
        if self.config.attention:
            arrays |= {f"attn.{name}.weight": w.attend[i] for i, name in enumerate(("query", "key", "value"))}
            arrays |= {"attn.lag.bias": w.lag, "attn.out.weight": w.context[0]}
        return arrays | {"out.weight": w.out[0], "out.bias": w.out_bias[0]}

    def _input_weight(self, w: Weights, layer: int) -> Array:
        """W_ih as PyTorch shapes it: (gates*H, inputs)."""
        if layer > 0:
            weight = w.stacked[layer - 1].reshape(-1, self.config.hidden_size)
        elif self.config.embed_size:
            weight = w.input.reshape(-1, self.config.embed_size)
        else:
            weight = w.input.reshape(self.vocab_size, -1).T
        return np.asarray(weight)

    def export(self, flat: Array) -> dict[str, Array]:
        """`flat` as arrays that load into torch.nn.RNN/GRU/LSTM and nn.Linear.

        bias_hh is 0 but for the blocks that only the recurrent product fills (the gru's b_hn).
        """
        arrays = self.named(flat)
        cell, h = self.cell, self.config.hidden_size
        for layer in range(self.config.num_layers):
            bias = arrays.pop(f"rnn.bias_l{layer}").reshape(-1, h)
            own = [block if block not in cell.input else None for block in cell.recurrent]
            arrays[f"rnn.bias_ih_l{layer}"] = np.concatenate([bias[block] for block in cell.input])
            arrays[f"rnn.bias_hh_l{layer}"] = np.concatenate(
                [np.zeros_like(bias[0]) if block is None else bias[block] for block in own]
            )
        return {name: np.ascontiguousarray(arrays[name]) for name in self.exported_shapes()}

    def exported_shapes(self) -> dict[str, tuple[int, ...]]:
        """The names and shapes of `export`."""
        v, h, e = self.vocab_size, self.config.hidden_size, self.config.embed_size
        gates = len(self.cell.input)
        shapes: dict[str, tuple[int, ...]] = {"embed.weight": (v, e)} if e else {}
        for layer in range(self.config.num_layers):
            shapes[f"rnn.weight_ih_l{layer}"] = (gates * h, h if layer else e or v)
            shapes[f"rnn.weight_hh_l{layer}"] = (gates * h, h)
            shapes[f"rnn.bias_ih_l{layer}"] = shapes[f"rnn.bias_hh_l{layer}"] = (gates * h,)
        if self.config.attention:
            a = self.config.attention_size
            shapes |= {f"attn.{name}.weight": (a, h) for name in ("query", "key", "value")}
            shapes |= {"attn.lag.bias": (self.config.attention,), "attn.out.weight": (v, a)}
        return shapes | {"out.weight": (v, h), "out.bias": (v,)}

    @property
    def carried_size(self) -> int:
        """Numbers that a sequence carries from chunk to chunk."""
        config = self.config
        window = (config.attention - 1) * 2 * config.attention_size + 1 if config.attention else 0
        return config.num_layers * int(self.cell.states) * config.hidden_size + window

    def load(self, arrays: Mapping[str, Array]) -> Array:
        """The flat vector of arrays named and shaped as by `export`; two biases of one block are added."""
        flat = np.zeros(self.size, self.config.dtype)
        cell, h = self.cell, self.config.hidden_size
        for name, view in self.named(flat).items():
            if not name.startswith("rnn.bias"):
                view[...] = arrays[name]
        for layer, bias in enumerate(self.views(flat).bias):
            for kind, blocks in (("ih", cell.input), ("hh", cell.recurrent)):
                source = arrays[f"rnn.bias_{kind}_l{layer}"].reshape(-1, h)
                for gate, block in enumerate(blocks):
                    bias[block] += source[gate]
        return flat

    def initial(self, seed: int) -> Array:
        """First values: uniform within 1/sqrt(H), as PyTorch's; an embedding from N(0, 1); no lag favoured.

        A forget gate's bias of 1 (Jozefowicz et al. 2015) was tried and learned slower: docs/training.md.
        """
        rng = np.random.default_rng([seed, 0])
        bound = 1 / sqrt(self.config.hidden_size)
        flat = rng.uniform(-bound, bound, self.size).astype(self.config.dtype)
        w = self.views(flat)
        w.embed[...] = rng.standard_normal(w.embed.shape)
        w.lag[...] = 0
        return flat
