"""Attention: each step looks back on the last W outputs of the top layer (Bahdanau et al. 2015; Merity 2019).

    q = W_q h,  k = W_k h,  v = W_v h                               (1)  query, key and value of each step
    e[t, s] = q[t] . k[s] / sqrt(A) + b[t - s],  t - W < s <= t     (2)  no step sees a later one
    p[t, s] = softmax over s of e[t, s]                             (3)
    c[t] = sum over s of p[t, s] v[s]                               (4)

The bias b of a lag (Raffel et al. 2020) is all that tells how far back a step lies.
The products of (1) are the caller's, who joins c to h before the output. Keys and values of the W - 1 steps
before a chunk are carried from chunk to chunk; the gradient is cut there.

Symbols: T steps, B sequences, H hidden, A the size of q, k, v, c; M = W - 1 steps carried.
"""

from __future__ import annotations

import numpy as np

from . import layer
from .activations import exp
from .jit import jit, reduction


@reduction
def _dot(x, y):
    total = x.dtype.type(0)
    for k in range(x.size):
        total += x[k] * y[k]
    return total


@jit
def _add_scaled(share, x, out):
    for k in range(x.size):
        out[k] += share * x[k]


@jit
def _first(work, b, t):
    """The first step of t's window that there is, counted from M steps before the chunk."""
    room = work.past_keys.shape[1]
    return max(t, room - min(room, max(0, np.int64(work.steps_carried[b, 0]))))


@jit
def forward(work, bias):
    """c of (4) into work.context, from q, k, v in work.attend.

    Shapes: attend (3, T*B, A) and context (T*B, A), rows in the order of time; keys, values (B, M + T, A);
    share (B, T, W) becomes p; past_keys, past_values (B, M, A); steps_carried (B, 1): how many of these.
    Cost: 4 W A flops a character.
    """
    batch, steps, window = work.share.shape
    carried = window - 1
    scale = work.context.dtype.type(1 / np.sqrt(work.context.shape[1]))
    for b in range(batch):
        keys, values = work.keys[b], work.values[b]
        for s in range(carried):
            layer.copy(work.past_keys[b, s], keys[s])
            layer.copy(work.past_values[b, s], values[s])
        for t in range(steps):
            layer.copy(work.attend[1, t * batch + b], keys[carried + t])
            layer.copy(work.attend[2, t * batch + b], values[carried + t])
        for t in range(steps):
            q, p, c = work.attend[0, t * batch + b], work.share[b, t], work.context[t * batch + b]
            first = _first(work, b, t)
            highest = -np.inf
            for s in range(first, t + window):
                p[s - t] = scale * _dot(q, keys[s]) + bias[t + carried - s]  # (2)
                highest = max(highest, p[s - t])
            total = p.dtype.type(0)
            for s in range(first, t + window):
                p[s - t] = exp(p[s - t] - p.dtype.type(highest))
                total += p[s - t]
            layer.zero(c)
            for s in range(first, t + window):
                p[s - t] /= total  # (3)
                _add_scaled(p[s - t], values[s], c)  # (4)


@jit
def carry(work):
    """The last M keys and values become those that the next chunk looks back on."""
    batch, steps, window = work.share.shape
    carried = window - 1
    for b in range(batch):
        for s in range(carried):
            layer.copy(work.keys[b, steps + s], work.past_keys[b, s])
            layer.copy(work.values[b, steps + s], work.past_values[b, s])
        work.steps_carried[b, 0] = min(carried, work.steps_carried[b, 0] + steps)


@jit
def backward(work, dbias):
    """From work.dcontext, the gradients of q, k, v into work.attend in their place.

    dkeys[:, :M] and dvalues[:, :M] become the gradients of what was carried.  Cost: 8 W A flops a character.
    """
    batch, steps, window = work.share.shape
    carried = window - 1
    scale = work.context.dtype.type(1 / np.sqrt(work.context.shape[1]))
    dp, dq = work.dshare, work.dquery
    for b in range(batch):
        keys, values, dkeys, dvalues = work.keys[b], work.values[b], work.dkeys[b], work.dvalues[b]
        for s in range(carried + steps):
            layer.zero(dkeys[s])
            layer.zero(dvalues[s])
        for t in range(steps):
            q, p, dc = work.attend[0, t * batch + b], work.share[b, t], work.dcontext[t * batch + b]
            first = _first(work, b, t)
            mean = p.dtype.type(0)
            for s in range(first, t + window):
                dp[s - t] = _dot(dc, values[s])  # (4)
                _add_scaled(p[s - t], dc, dvalues[s])  # (4)
                mean += p[s - t] * dp[s - t]
            layer.zero(dq)
            for s in range(first, t + window):
                de = p[s - t] * (dp[s - t] - mean)  # (3)
                dbias[t + carried - s] += de  # (2)
                _add_scaled(scale * de, keys[s], dq)  # (2)
                _add_scaled(scale * de, q, dkeys[s])  # (2)
            layer.copy(dq, q)
        for t in range(steps):
            layer.copy(dkeys[carried + t], work.attend[1, t * batch + b])
            layer.copy(dvalues[carried + t], work.attend[2, t * batch + b])
