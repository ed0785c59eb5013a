"""Attention over the last W outputs of the top layer (Bahdanau et al. 2015; Merity 2019).

    q = W_q h,  k = W_k h,  v = W_v h                               (1)  query, key and value of each step
    e[t, s] = q[t] . k[s] / sqrt(A) + b[t - s],  t - W < s <= t     (2)  no step sees a later one
    p[t, s] = softmax over s of e[t, s]                             (3)
    c[t] = sum over s of p[t, s] v[s]                               (4)

Only the bias b (Raffel et al. 2020) depends on the lag, that is, on how far back a step lies.
The logits are a product of h plus a product of c. The keys and values of the W - 1 steps before a chunk
are carried over from the previous chunk; the gradient stops there.

All steps of a sequence are computed as matrix products, and elements outside the windows are discarded. This
costs less than a loop over the windows.

Symbols: T steps, B sequences, N = T*B rows, H hidden, V vocabulary, A the size of q, k, v, c; M = W - 1 steps
carried. In a model without attention, None replaces each of the three tuples below.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import layer
from .elementary import exp
from .jit import jit, optional
from .matmul import matmul, pack, rows_of, transposed
from .sums import dot, largest, total

QKV = (0, 1, 2)


class Weights(NamedTuple):
    """Views of the flat vector of parameters or of a gradient."""

    project: Any  # (3, A, H) W_q, W_k, W_v
    lag: Any  # (W,) b
    out: Any  # (1, V, A) from c to the logits


class Panels(NamedTuple):
    """The weights, packed for the forward and the backward pass."""

    project: Any  # (3, size)
    out: Any  # (size,)
    project_back: Any
    out_back: Any


class Memory(NamedTuple):
    """A shard's working memory for attention."""

    past_keys: Any  # (B, M, A) carried from chunk to chunk, like the next two
    past_values: Any  # (B, M, A)
    steps_carried: Any  # (B, 1) how many are valid: 0 at the start of a stream
    qkv: Any  # (3, N, A) queries, keys, values, then their gradients; rows ordered by time
    keys: Any  # (B, M + T, A) carried keys, then those of the chunk
    values: Any  # (B, M + T, A)
    share: Any  # (B, T, M + T) p: each step's weights, 0 outside its window
    context: Any  # (N, A) c
    dcontext: Any  # (N, A)
    dkeys: Any  # (B, M + T, A)
    dvalues: Any  # (B, M + T, A)
    dshare: Any  # (T, M + T) of one sequence
    rows: Any  # (T, A) of one sequence
    panels: Any  # the packed keys, values or rows of one sequence


@jit
def _take(x, b, batch, out):
    """Copy the rows of sequence b from x (T*B, A) to out (T, A)."""
    for t in range(out.shape[0]):
        layer.copy(x[t * batch + b], out[t])


@jit
def _give(x, b, batch, out):
    """Copy x (T, A) to the rows of sequence b in out (T*B, A)."""
    for t in range(x.shape[0]):
        layer.copy(x[t], out[t * batch + b])


@jit
def _oldest(work, b):
    """Return the first valid step, counted from M steps before the chunk."""
    room = work.past_keys.shape[1]
    carried = min(max(work.steps_carried[b, 0], 0), room)  # an untrusted file may hold any number
    return room - np.int64(carried)


@jit
def _softmax(p, scale, bias, oldest, fresh):
    """Turn products q . k (T, M + T) into p of (3), with 0 outside windows and before a document's start.

    fresh (T,): 1 where a document starts, or empty.
    """
    window = bias.size
    for t in range(p.shape[0]):
        if fresh.size > 0 and fresh[t]:
            oldest = t + window - 1
        first, end = max(t, oldest), t + window
        layer.zero(p[t, :first])
        layer.zero(p[t, end:])
        e = p[t, first:end]
        for i in range(e.size):
            e[i] = scale * e[i] + bias[e.size - 1 - i]  # (2)
        highest = largest(e)
        for i in range(e.size):
            e[i] = exp(e[i] - highest)
        share = np.reciprocal(total(e))
        for i in range(e.size):
            e[i] *= share  # (3)


@optional
@jit
def pack_weights(back, w, p):
    """Pack attention's weights; see `model.pack_weights`."""
    for g in range(3):
        pack(w.project[g].T, p.project[g])
        if back:
            pack(w.project[g], p.project_back[g])
    pack(w.out[0].T, p.out)
    if back:
        pack(w.out[0], p.out_back)


@optional
@jit
def forward(top, w, p, logits, pairs, fresh, work):
    """Add W_out c to the logits.  Shapes: top (N, H), logits (N, V).

    Cost: 2 A (3 H + V) + 4 A (M + T) flops a character.
    """
    left = rows_of(top, pairs)
    for g in range(3):
        matmul(left, p.project[g], work.qkv[g], False)  # (1)
    look_back(work, w.lag, pairs, fresh)
    matmul(rows_of(work.context, pairs), p.out, logits, True)


@optional
@jit
def backward(dlogits, top, p, grad, buffer, dtop, pairs, fresh, work):
    """Write the weights' gradients to `grad`, and add the gradient of `top` to dtop (N, H).

    Shapes: dlogits (1, N, V); buffer: see `layer.weight_gradient`.  Cost: twice `forward`.
    """
    layer.weight_gradient(dlogits, layer.ONLY, work.context, grad.out, buffer, pairs)
    matmul(rows_of(dlogits[0], pairs), p.out_back, work.dcontext, False)
    look_back_backward(work, grad.lag, pairs, fresh)
    layer.weight_gradient(work.qkv, QKV, top, grad.project, buffer, pairs)  # (1)
    for g in range(3):
        matmul(rows_of(work.qkv[g], pairs), p.project_back[g], dtop, True)  # (1)


@jit
def look_back(work, bias, pairs, fresh):
    """Compute c of (4) in work.context from q, k, v in work.qkv; fresh: see `model.Work`.

    Cost: 4 (M + T) A flops a character.
    """
    batch, steps, columns = work.share.shape
    carried = columns - steps
    scale = work.context.dtype.type(1 / np.sqrt(work.context.shape[1]))
    for b in range(batch):
        keys, values, p, rows = work.keys[b], work.values[b], work.share[b], work.rows
        for s in range(carried):
            layer.copy(work.past_keys[b, s], keys[s])
            layer.copy(work.past_values[b, s], values[s])
        _take(work.qkv[1], b, batch, keys[carried:])
        _take(work.qkv[2], b, batch, values[carried:])
        _take(work.qkv[0], b, batch, rows)
        pack(keys.T, work.panels)
        matmul(rows_of(rows, pairs), work.panels, p, False)  # (2)
        _softmax(p, scale, bias, _oldest(work, b), fresh[b::batch])
        pack(values, work.panels)
        matmul(rows_of(p, pairs), work.panels, rows, False)  # (4)
        _give(rows, b, batch, work.context)


@optional
@jit
def carry(fresh, work):
    """Keep the last M keys and values for the next chunk."""
    batch, steps, columns = work.share.shape
    carried = columns - steps
    for b in range(batch):
        for s in range(carried):
            layer.copy(work.keys[b, steps + s], work.past_keys[b, s])
            layer.copy(work.values[b, steps + s], work.past_values[b, s])
        known = work.steps_carried[b, 0] + steps
        for t in range(steps if fresh.size > 0 else 0):
            if fresh[t * batch + b]:
                known = work.steps_carried.dtype.type(steps - t)
        work.steps_carried[b, 0] = min(carried, known)


@jit
def _softmax_backward(p, dp, scale, dbias, oldest, fresh):
    """Turn dp, the gradient of p, into that of q . k, and add to dbias; fresh: see `_softmax`."""
    window = dbias.size
    for t in range(p.shape[0]):
        if fresh.size > 0 and fresh[t]:
            oldest = t + window - 1
        first, end = max(t, oldest), t + window
        layer.zero(dp[t, :first])
        layer.zero(dp[t, end:])
        share, de = p[t, first:end], dp[t, first:end]
        mean = dot(share, de)
        for i in range(de.size):
            de[i] = share[i] * (de[i] - mean)  # (3)
            dbias[de.size - 1 - i] += de[i]  # (2)
            de[i] *= scale  # (2)


@jit
def look_back_backward(work, dbias, pairs, fresh):
    """Replace q, k, v in work.qkv by their gradients, computed from work.dcontext.

    dkeys[:, :M] and dvalues[:, :M] become the gradients of the carried keys and values.
    Cost: 8 (M + T) A flops a character.
    """
    batch, steps, columns = work.share.shape
    carried = columns - steps
    scale = work.context.dtype.type(1 / np.sqrt(work.context.shape[1]))
    for b in range(batch):
        p, dp, rows = work.share[b], work.dshare, work.rows
        _take(work.dcontext, b, batch, rows)
        pack(work.values[b].T, work.panels)
        matmul(rows_of(rows, pairs), work.panels, dp, False)  # (4)
        pack(rows, work.panels)
        matmul(transposed(p, pairs), work.panels, work.dvalues[b], False)  # (4)
        _softmax_backward(p, dp, scale, dbias, _oldest(work, b), fresh[b::batch])
        _take(work.qkv[0], b, batch, rows)
        pack(rows, work.panels)
        matmul(transposed(dp, pairs), work.panels, work.dkeys[b], False)  # (2)
        pack(work.keys[b], work.panels)
        matmul(rows_of(dp, pairs), work.panels, rows, False)  # (2)
        _give(rows, b, batch, work.qkv[0])
        _give(work.dkeys[b, carried:], b, batch, work.qkv[1])
        _give(work.dvalues[b, carried:], b, batch, work.qkv[2])
