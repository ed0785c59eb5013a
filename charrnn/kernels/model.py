"""The whole network for one shard: characters in, loss and gradient out.

    ids -> one-hot or embedding -> L recurrent layers -> (attention) -> logits -> softmax -> nats

Everything here works on named views of three blocks of memory, which the package `model` allocates: the
weights (or their gradient), the weights packed for matrix products, and a shard's working memory.
Symbols: V vocabulary, E embedding, H hidden, L layers, G gates, T steps, B sequences.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import attention, layer
from .activations import softmax_cross_entropy, softmax_cross_entropy_backward
from .dropout import dropout
from .jit import jit
from .matmul import matmul, pack, rows_of


class Weights(NamedTuple):
    """Views of the flat vector of parameters or of a gradient."""

    embed: Any  # (V, E), E = 0 without an embedding
    input: Any  # first layer: (V, G, H), a row per character; with an embedding (G, H, E)
    stacked: Any  # (L - 1, G, H, H) W_ih of the layers above
    recurrent: Any  # (L, G, H, H) W_hh
    bias: Any  # (L, blocks with a bias, H)
    attention: Any  # attention.Weights, or None
    out: Any  # (1, V, H), as for a product with one gate
    out_bias: Any  # (1, V)


class Panels(NamedTuple):
    """Every dense matrix packed for both passes: x W^T going forward, dy W going back."""

    input: Any  # (G, size), empty without an embedding
    stacked: Any  # (L - 1, G, size)
    recurrent: Any  # (L, G, size)
    out: Any  # (size,)
    input_back: Any
    stacked_back: Any
    recurrent_back: Any
    out_back: Any
    attention: Any  # attention.Panels, or None


class Work(NamedTuple):
    """A shard's memory for chunks of T steps of B sequences.  N = T*B rows, ordered by time.

    A field NAME_rows shares the memory of NAME: cells work on whole steps, (T, B*H), and matrix products on
    rows, (N, H).
    """

    ids: Any  # (N,) int32
    targets: Any  # (N,) int32, the next characters
    fresh: Any  # (N,) uint8, 1 where a document starts with state 0; empty if none does
    x: Any  # (N, E) embedded inputs
    dx: Any  # (N, E)
    state: Any  # (L, states, B*H) carried from chunk to chunk
    a: Any  # (L, blocks, T, B*H) pre-activations, then activations, then their gradients
    a_rows: Any  # (L, blocks, N, H)
    s: Any  # (L, states, T + 1, B*H); step 0 is the state carried in
    s_rows: Any  # (L, states, N + B, H)
    ds: Any  # (L, states, B*H), finally the gradient of the state carried in
    ds_rows: Any  # (L, states, B, H)
    dropped: Any  # (L, N, H) layer outputs after dropout; empty without dropout
    kept: Any  # (states, B, H) states that `fresh` hides; empty without documents
    dy: Any  # (T, B*H) gradient of one layer's output
    dy_rows: Any  # (N, H)
    logits: Any  # (1, N, V)
    nats: Any  # (N,) float64, -ln p of each target
    buffer: Any  # panels for layer.BLOCK rows
    pairs: Any  # left factors as bfloat16 pairs; empty if products use floats
    attention: Any  # attention.Memory, or None


@jit
def pack_weights(w, p, back):
    """Pack every dense matrix, once for all shards and time steps; back: also for the backward pass."""
    for g in range(p.input.shape[0]):
        pack(w.input[g].T, p.input[g])
        if back:
            pack(w.input[g], p.input_back[g])
    for l in range(w.stacked.shape[0]):
        for g in range(w.stacked.shape[1]):
            pack(w.stacked[l, g].T, p.stacked[l, g])
            if back:
                pack(w.stacked[l, g], p.stacked_back[l, g])
    for l in range(w.recurrent.shape[0]):
        for g in range(w.recurrent.shape[1]):
            pack(w.recurrent[l, g].T, p.recurrent[l, g])
            if back:
                pack(w.recurrent[l, g], p.recurrent_back[l, g])
    attention.pack_weights(back, w.attention, p.attention)
    pack(w.out[0].T, p.out)
    if back:
        pack(w.out[0], p.out_back)


@jit
def _output(work, l, rate):
    """Return the output of layer l for the layer above, (N, H)."""
    batch = work.ds_rows.shape[2]
    return work.dropped[l] if rate > 0 else work.s_rows[l, 0, batch:]


@jit
def _layer_key(key, l):
    return key + (np.uint64(l) << np.uint64(32))


@jit
def forward(cell, w, p, work, rate, key):
    """Compute work.s and work.logits from work.ids and work.state.

    rate, key: dropout between the layers and before the softmax (see `dropout`); rate 0 turns it off.
    Cost: 2 flops a character for each weight outside the lookup.
    """
    layers = work.a.shape[0]
    for l in range(layers):
        a, s = work.a_rows[l], work.s[l]
        layer.set_bias(w.bias[l], a)
        if l == 0 and w.embed.size == 0:
            layer.lookup(cell, work.ids, w.input, a)
        elif l == 0:
            layer.embed(work.ids, w.embed, work.x)
        x = _output(work, l - 1, rate) if l > 0 else work.x
        panels = p.stacked[l - 1] if l > 0 else p.input
        left = rows_of(x, work.pairs)
        for g in range(panels.shape[0]):
            matmul(left, panels[g], a[cell.input_blocks[g]], True)
        for i in range(s.shape[0]):
            layer.copy(work.state[l, i], s[i, 0])
        s_rows, fresh = work.s_rows[l], work.fresh
        layer.forward(cell, p.recurrent[l], work.a[l], a, s, s_rows, work.pairs, fresh, work.kept)
        if rate > 0:
            dropout(_output(work, l, 0.0), work.dropped[l], rate, _layer_key(key, l))
    layer.set_bias(w.out_bias, work.logits)
    top = _output(work, layers - 1, rate)
    matmul(rows_of(top, work.pairs), p.out, work.logits[0], True)
    attention.forward(top, w.attention, p.attention, work.logits[0], work.pairs, work.fresh, work.attention)


@jit
def carry(work):
    """Copy the state after the chunk to the state that the next chunk starts from."""
    for l in range(work.state.shape[0]):
        for i in range(work.state.shape[1]):
            layer.copy(work.s[l, i, work.a.shape[2]], work.state[l, i])
    attention.carry(work.fresh, work.attention)


@jit
def score(work):
    """After `forward`: fill work.nats and return their sum, turn logits into p, and carry the state."""
    softmax_cross_entropy(work.logits[0], work.targets, work.nats)
    carry(work)
    total = 0.0
    for r in range(work.nats.size):
        total += work.nats[r]
    return total


@jit
def backward(cell, p, work, flat_grad, grad, scale, rate, key):
    """After `score`: write the gradient of scale times the sum of nats to flat_grad, viewed as `grad`.

    work.ds[l] becomes the gradient of the state carried into layer l.  rate, key: as in `forward`.
    Cost: 4 flops a character for each weight outside the lookup.
    """
    layers, n = work.a.shape[0], work.ids.size
    layer.zero(flat_grad)
    softmax_cross_entropy_backward(work.logits[0], work.targets, scale)
    top = _output(work, layers - 1, rate)
    layer.weight_gradient(work.logits, layer.ONLY, top, grad.out, work.buffer, work.pairs)
    layer.bias_backward(work.logits, grad.out_bias)
    matmul(rows_of(work.logits[0], work.pairs), p.out_back, work.dy_rows, False)
    attention.backward(
        *(work.logits, top, p.attention, grad.attention, work.buffer, work.dy_rows, work.pairs, work.fresh),
        work.attention,
    )
    for l in range(layers - 1, -1, -1):
        a, da = work.a[l], work.a_rows[l]
        if rate > 0:
            dropout(work.dy_rows, work.dy_rows, rate, _layer_key(key, l))
        s, s_rows, ds, ds_rows = work.s[l], work.s_rows[l], work.ds[l], work.ds_rows[l]
        layer.backward(
            *(cell, p.recurrent_back[l], a, da, s, s_rows, work.dy, ds, ds_rows, work.pairs),
            *(work.fresh, work.kept),
        )
        h_prev = work.s_rows[l, 0, :n]
        layer.weight_gradient(da, cell.recurrent_blocks, h_prev, grad.recurrent[l], work.buffer, work.pairs)
        layer.bias_backward(da, grad.bias[l])
        if l == 0 and grad.embed.size == 0:
            layer.lookup_backward(cell, work.ids, da, grad.input)
            continue
        x = _output(work, l - 1, rate) if l > 0 else work.x
        dx = work.dy_rows if l > 0 else work.dx
        panels = p.stacked_back[l - 1] if l > 0 else p.input_back
        dw = grad.stacked[l - 1] if l > 0 else grad.input
        layer.weight_gradient(da, cell.input_blocks, x, dw, work.buffer, work.pairs)
        for g in range(panels.shape[0]):
            matmul(rows_of(da[cell.input_blocks[g]], work.pairs), panels[g], dx, g > 0)
        if l == 0:
            layer.embed_backward(work.ids, dx, grad.embed)
