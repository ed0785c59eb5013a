"""PyTorch's names and shapes for the parameters, as used in files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..array_types import Array
from ..kernels.model import Weights
from .layout import Layout, Shape

QKV = ("query", "key", "value")


def named(layout: Layout, flat: Array) -> dict[str, Array]:
    """Return views of all parameters in `flat`, under PyTorch's names where they exist.

    A layer has one bias, such as rnn.bias_l0, in the order of the cell's blocks, because only the sum of
    PyTorch's two biases is learned.
    """
    w, config = layout.views(flat), layout.config
    arrays = {"embed.weight": w.embed} if config.embed_size else {}
    for layer in range(config.num_layers):
        arrays[f"rnn.weight_ih_l{layer}"] = _input_weight(layout, w, layer)
        arrays[f"rnn.weight_hh_l{layer}"] = w.recurrent[layer].reshape(-1, config.hidden_size)
        arrays[f"rnn.bias_l{layer}"] = w.bias[layer].reshape(-1)
    if looks := w.attention:
        arrays |= {f"attn.{name}.weight": looks.project[i] for i, name in enumerate(QKV)}
        arrays |= {"attn.lag.bias": looks.lag, "attn.out.weight": looks.out[0]}
    return arrays | {"out.weight": w.out[0], "out.bias": w.out_bias[0]}


def _input_weight(layout: Layout, w: Weights, layer: int) -> Array:
    """Return W_ih in PyTorch's shape: (gates*H, inputs)."""
    if layer > 0:
        weight = w.stacked[layer - 1].reshape(-1, layout.config.hidden_size)
    elif layout.config.embed_size:
        weight = w.input.reshape(-1, layout.config.embed_size)
    else:
        weight = w.input.reshape(layout.vocab_size, -1).T
    return np.asarray(weight)


def by_character(layout: Layout, flat: Array) -> dict[str, Array]:
    """Return the arrays of `named` with one row per character, as views with that axis first."""
    arrays = named(layout, flat)
    names = ["embed.weight", "attn.out.weight", "out.weight", "out.bias"]
    rows = {name: arrays[name] for name in names if name in arrays}
    return rows if layout.config.embed_size else rows | {"rnn.weight_ih_l0": arrays["rnn.weight_ih_l0"].T}


def export(layout: Layout, flat: Array) -> dict[str, Array]:
    """Return `flat` as arrays that load into torch.nn.RNN/GRU/LSTM and nn.Linear.

    bias_hh is 0 except in blocks that only the recurrent product fills (the GRU's b_hn).
    """
    arrays, cell, h = named(layout, flat), layout.cell, layout.config.hidden_size
    for layer in range(layout.config.num_layers):
        bias = arrays.pop(f"rnn.bias_l{layer}").reshape(-1, h)
        of = dict(zip(cell.blocks, bias, strict=False))
        zero = np.zeros_like(bias[0])
        arrays[f"rnn.bias_ih_l{layer}"] = np.concatenate([of[block] for block in cell.input])
        arrays[f"rnn.bias_hh_l{layer}"] = np.concatenate(
            [zero if block in cell.input else of[block] for block in cell.recurrent]
        )
    return {name: np.ascontiguousarray(arrays[name]) for name in exported_shapes(layout)}


def exported_shapes(layout: Layout) -> dict[str, Shape]:
    """Return the names and shapes of the arrays from `export`."""
    config = layout.config
    v, h, e = layout.vocab_size, config.hidden_size, config.embed_size
    gates = len(layout.cell.input)
    shapes: dict[str, Shape] = {"embed.weight": (v, e)} if e else {}
    for layer in range(config.num_layers):
        shapes[f"rnn.weight_ih_l{layer}"] = (gates * h, h if layer else e or v)
        shapes[f"rnn.weight_hh_l{layer}"] = (gates * h, h)
        shapes[f"rnn.bias_ih_l{layer}"] = shapes[f"rnn.bias_hh_l{layer}"] = (gates * h,)
    if config.attention:
        a = config.attention_size
        shapes |= {f"attn.{name}.weight": (a, h) for name in QKV}
        shapes |= {"attn.lag.bias": (config.attention,), "attn.out.weight": (v, a)}
    return shapes | {"out.weight": (v, h), "out.bias": (v,)}


def load(layout: Layout, arrays: Mapping[str, Array]) -> Array:
    """Return the flat vector for arrays named and shaped as by `export`; a block's two biases are added."""
    flat = np.zeros(layout.size, layout.config.storage)
    cell, h = layout.cell, layout.config.hidden_size
    for name, view in named(layout, flat).items():
        if not name.startswith("rnn.bias"):
            view[...] = arrays[name]
    for layer, bias in enumerate(layout.views(flat).bias):
        for kind, blocks in (("ih", cell.input_blocks), ("hh", cell.recurrent_blocks)):
            source = arrays[f"rnn.bias_{kind}_l{layer}"].reshape(-1, h)
            for gate, block in enumerate(blocks):
                bias[block] += source[gate]
    return flat
