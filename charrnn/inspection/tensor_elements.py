"""What the elements of a tensor are, in words: gates, blocks and states by the cell's names for them."""

from __future__ import annotations

from ..model.layout import Layout

# what the axes of a tensor are that is no cell's; of queries, keys and values both are units
AXES = {
    "embed.weight": ("character", "unit"),
    "attn.lag.bias": ("lag",),
    "attn.out.weight": ("character", "unit"),
    "out.weight": ("character", "unit"),
    "out.bias": ("character",),
}
# what is carried and has a gradient
CARRIED = {"state": "carried state", "past_keys": "carried keys", "past_values": "carried values"}


def element(layout: Layout, name: str, index: tuple[int, ...]) -> str:
    """What an element of `named`, or of what is carried, is: its gate or block, its unit, counted from 0."""
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
