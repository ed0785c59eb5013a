"""Describe the elements of a tensor by the cell's names for its gates, blocks and states."""

from __future__ import annotations

from ..model.layout import Layout

# the axes of tensors outside the cell; those of queries, keys and values are both units
AXES = {
    "embed.weight": ("character", "unit"),
    "attn.lag.bias": ("lag",),
    "attn.out.weight": ("character", "unit"),
    "out.weight": ("character", "unit"),
    "out.bias": ("character",),
}
# carried values with a gradient
CARRIED = {"state": "carried state", "past_keys": "carried keys", "past_values": "carried values"}


def element(layout: Layout, name: str, index: tuple[int, ...]) -> str:
    """Describe an element of `named` or of carried values by its gate or block and its unit, from 0."""
    cell, h = layout.cell, layout.config.hidden_size
    if name.startswith(("rnn.weight_ih", "rnn.weight_hh")):
        gate, unit = divmod(index[0], h)
        blocks = cell.input if "_ih" in name else cell.recurrent
        source = "character" if name == "rnn.weight_ih_l0" and not layout.config.embed_size else "input"
        return f"{blocks[gate]} of unit {unit}, from {'unit' if '_hh' in name else source} {index[1]}"
    if name.startswith("rnn.bias"):
        block, unit = divmod(index[0], h)
        return f"{cell.blocks[block]} of unit {unit}"
    if name == "carried state":
        sequence, layer, state, unit = index
        return f"{cell.states[state]} of unit {unit} in layer {layer + 1}, sequence {sequence}"
    axes = (
        AXES.get(name, ("unit", "from unit"))
        if not name.startswith("carried")
        else ("sequence", "step", "unit")
    )
    return ", ".join(f"{axis} {i}" for axis, i in zip(axes, index, strict=True))
