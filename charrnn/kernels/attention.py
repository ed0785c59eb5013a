"""Attention: each step looks back on the last W outputs of the top layer (Bahdanau et al. 2015; Merity 2019).

    q = W_q h,  k = W_k h,  v = W_v h                               (1)  query, key and value of each step
    e[t, s] = q[t] . k[s] / sqrt(A) + b[t - s],  t - W < s <= t     (2)  no step sees a later one
    p[t, s] = softmax over s of e[t, s]                             (3)
    c[t] = sum over s of p[t, s] v[s]                               (4)

The bias b of a lag (Raffel et al. 2020) is all that tells how far back a step lies.
The products of (1) are the caller's, who joins c to h before the output. Keys and values of the W - 1 steps
before a chunk are carried from chunk to chunk; the gradient is cut there.

All steps of a sequence are products of matrices, of which those outside the windows are thrown away: they
cost less than a loop over the windows.

Symbols: T steps, B sequences, H hidden, A the size of q, k, v, c; M = W - 1 steps carried.
"""

from __future__ import annotations

import numpy as np

from . import layer
from .activations import exp, largest, total
from .jit import jit, reduction
from .tile import matmul, pack


@reduction
def _dot(x, y):
    sum_ = x.dtype.type(0)
    for k in range(x.size):
        sum_ += x[k] * y[k]
    return sum_


@jit
def _take(x, b, batch, out):
    """out (T, A), the rows of sequence b in x (T*B, A)."""
    for t in range(out.shape[0]):
        layer.copy(x[t * batch + b], out[t])


@jit
def _give(x, b, batch, out):
    """The reverse: x (T, A) becomes the rows of sequence b in out (T*B, A)."""
    for t in range(x.shape[0]):
        layer.copy(x[t], out[t * batch + b])


@jit
def _oldest(work, b):
    """The first step there is, counted from M steps before the chunk."""
    room = work.past_keys.shape[1]
    carried = min(max(work.steps_carried[b, 0], 0), room)  # a stranger's file may say anything
    return room - np.int64(carried)


@jit
def _softmax(p, scale, bias, oldest):
    """Rows of products q . k (T, M + T) become p of (3), 0 outside the windows."""
    window = bias.size
    for t in range(p.shape[0]):
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


@jit
def forward(work, bias):
    """c of (4) into work.context, from q, k, v in work.attend.

    Shapes: attend (3, T*B, A) and context (T*B, A), rows in the order of time; keys, values (B, M + T, A);
    share (B, T, M + T) becomes p; past_keys, past_values (B, M, A); steps_carried (B, 1): how many of these.
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
        _take(work.attend[1], b, batch, keys[carried:])
        _take(work.attend[2], b, batch, values[carried:])
        _take(work.attend[0], b, batch, rows)
        pack(keys.T, work.panels)
        matmul(rows, work.panels, p, False)  # (2)
        _softmax(p, scale, bias, _oldest(work, b))
        pack(values, work.panels)
        matmul(p, work.panels, rows, False)  # (4)
        _give(rows, b, batch, work.context)


@jit
def carry(work):
    """The last M keys and values become those that the next chunk looks back on."""
    batch, steps, columns = work.share.shape
    carried = columns - steps
    for b in range(batch):
        for s in range(carried):
            layer.copy(work.keys[b, steps + s], work.past_keys[b, s])
            layer.copy(work.values[b, steps + s], work.past_values[b, s])
        work.steps_carried[b, 0] = min(carried, work.steps_carried[b, 0] + steps)


@jit
def _softmax_backward(p, dp, scale, dbias, oldest):
    """The gradient by p becomes that by the products q . k, and dbias grows by its own."""
    window = dbias.size
    for t in range(p.shape[0]):
        first, end = max(t, oldest), t + window
        layer.zero(dp[t, :first])
        layer.zero(dp[t, end:])
        share, de = p[t, first:end], dp[t, first:end]
        mean = _dot(share, de)
        for i in range(de.size):
            de[i] = share[i] * (de[i] - mean)  # (3)
            dbias[de.size - 1 - i] += de[i]  # (2)
            de[i] *= scale  # (2)


@jit
def backward(work, dbias):
    """From work.dcontext, the gradients of q, k, v into work.attend in their place.

    dkeys[:, :M] and dvalues[:, :M] become the gradients of what was carried.
    Cost: 8 (M + T) A flops a character.
    """
    batch, steps, columns = work.share.shape
    carried = columns - steps
    scale = work.context.dtype.type(1 / np.sqrt(work.context.shape[1]))
    for b in range(batch):
        p, dp, rows = work.share[b], work.dshare, work.rows
        _take(work.dcontext, b, batch, rows)
        pack(work.values[b].T, work.panels)
        matmul(rows, work.panels, dp, False)  # (4)
        pack(rows, work.panels)
        matmul(p.T, work.panels, work.dvalues[b], False)  # (4)
        _softmax_backward(p, dp, scale, dbias, _oldest(work, b))
        _take(work.attend[0], b, batch, rows)
        pack(rows, work.panels)
        matmul(dp.T, work.panels, work.dkeys[b], False)  # (2)
        pack(work.keys[b], work.panels)
        matmul(dp, work.panels, rows, False)  # (2)
        _give(rows, b, batch, work.attend[0])
        _give(work.dkeys[b, carried:], b, batch, work.attend[1])
        _give(work.dvalues[b, carried:], b, batch, work.attend[2])
