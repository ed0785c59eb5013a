"""How far back one character's loss reaches: the norm of its gradient with respect to earlier states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..array_types import Array, Ids
from ..config import at_least
from ..errors import OverflowingModelError, TextError, UsageError
from ..kernels import attention, model
from ..kernels.matmul import matmul
from ..model.network import Network
from ..model.shard import Shard
from ..scoring.reader import CHUNK

BATCH = 20  # positions at a time; takes 80 MB for 2 x 512 units and 100 lags


class GradientOverLag(NamedTuple):
    """Norms by lag (K + 1,), averaged over positions, in nats per unit of h or of the state."""

    output: NDArray[np.float64]  # of d loss[t] / d h[t - k], h the output of the top layer
    state: NDArray[np.float64]  # of d loss[t] / d s[t - k], s the state of all layers (with an LSTM's c)


def gradient_over_lag(network: Network, ids: Ids, lags: int = 100, positions: int = 100) -> GradientOverLag:
    """Return the norm of d loss[t] / d s[t - k] for k = 0 .. lags, averaged over positions t in the text.

    loss[t] = -ln p of the character after position t. The states s[t - k] of all layers, between two steps,
    are independent variables. Everything that later steps and the softmax read of them counts; with
    attention, also the key and value made from h[t - k]. For one layer of rnn or gru without attention,
    `output` and `state` are equal; for k = 0 they always are.
    Computed in float64 without dropout, so that norms of 1e-100 are still correct. The text is read from its
    start, from a zero state. The positions t are spread evenly, are at least `lags`, and are fewer in a short
    text.
    Errors: TextError for a text of fewer than lags + 2 characters; UsageError; OverflowingModelError.
    Cost: reading the text, and a forward and a backward pass of lags + 1 steps for each position.
    Source: Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013, section 2.
    """
    at_least("lags", lags, 0)
    at_least("positions", positions, 1)
    if len(ids) < lags + 2:
        raise TextError(f"the text has {len(ids)} characters", f"{lags} lags need at least {lags + 2}")
    if ids.max() >= network.vocab_size:
        raise UsageError(f"an id is {ids.max()}", f"use ids below {network.vocab_size}")
    exact = Network(
        replace(network.config, dtype="float64"), network.vocab_size, network.flat.astype(np.float64)
    )
    exact.pack()
    starts = np.unique(np.linspace(0, len(ids) - lags - 2, positions).astype(np.int64))
    norms = np.zeros((2, lags + 1))
    with np.errstate(over="ignore", invalid="ignore"):  # gradients may explode
        for work in _windows(exact, ids, starts, lags + 1):
            norms += _backward(exact, work).sum(axis=2)
    return GradientOverLag(*(norms / len(starts)))


def _windows(network: Network, ids: Ids, starts: Ids, steps: int) -> Iterator[model.Work]:
    """Yield the memory of a forward pass over ids[start : start + steps], BATCH starts at a time.

    Each window starts from the state after reading the text before it.
    """
    reader, at = Shard(network, 1, CHUNK), 0
    for first in range(0, len(starts), BATCH):
        batch, carried = starts[first : first + BATCH], list[Array]()
        for start in batch:
            reader.read(ids[at:start])
            at = start
            carried.append(reader.carried)
        shard = Shard(network, len(batch), steps)
        shard.carried = np.concatenate(carried)
        windows = ids[batch[:, None] + np.arange(steps + 1)]
        if not np.isfinite(shard.loss(windows[:, :-1], windows[:, 1:])):
            where = f"a character up to {int(batch[-1]) + steps} of the text"
            raise OverflowingModelError(where, "the loss")
        yield shard.work(steps)


def _backward(network: Network, work: model.Work) -> Array:
    """Return norms (2, T, B) of the last loss's gradient with respect to h and s, from its step backward.

    Like model.backward and layer.backward, but it records ds at each step instead of weight gradients.
    """
    panels, cell = network.panels, network.cell
    dy, ds, steps = _by_output(network, work), work.ds_rows, len(work.s[0, 0]) - 1
    batch = ds.shape[2]
    ds[...] = 0
    norms = np.empty((2, steps, batch))
    for t in range(steps - 1, -1, -1):
        rows = slice(t * batch, (t + 1) * batch)
        ds[-1, 0] += dy[rows]
        every = ds.transpose(2, 0, 1, 3).reshape(batch, -1)
        norms[:, steps - 1 - t] = np.linalg.norm(ds[-1, 0], axis=1), np.linalg.norm(every, axis=1)
        for l in range(len(ds) - 1, -1, -1):
            cell.backward(work.a[l], work.s[l], t, work.ds[l])
            da = work.a_rows[l, :, rows]
            for g, block in enumerate(cell.recurrent_blocks):
                matmul(da[block], panels.recurrent_back[l, g], ds[l, 0], True)
            if l > 0:
                for g, block in enumerate(cell.input_blocks):
                    matmul(da[block], panels.stacked_back[l - 1, g], ds[l - 1, 0], True)
    return norms


def _by_output(network: Network, work: model.Work) -> Array:
    """Return the last losses' gradient through softmax and attention by the top layer's output (T*B, H)."""
    w, batch = network.weights, work.ds_rows.shape[2]
    dy: Array = np.zeros_like(work.dy_rows)
    dlogits = work.logits[0, -batch:].copy()  # p, so far
    dlogits[np.arange(batch), work.targets[-batch:]] -= 1
    dy[-batch:] = dlogits @ w.out[0]
    if looks := work.attention:
        looks.dcontext[...] = 0
        looks.dcontext[-batch:] = dlogits @ w.attention.out[0]
        attention.look_back_backward(looks, np.zeros_like(w.attention.lag), work.pairs, work.fresh)
        dy += np.tensordot(looks.qkv, w.attention.project, ((0, 2), (0, 1)))
    return dy
