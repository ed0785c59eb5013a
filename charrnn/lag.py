"""How far back the loss of one character reaches: the norm of its gradient by the states before it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .config import at_least
from .errors import TextError, UsageError
from .evaluation import CHUNK
from .kernels import attention, model
from .network import Network, Shard
from .parameters import Array
from .text import Ids


class GradientOverLag(NamedTuple):
    """Norms by lag (K + 1,), each a mean over positions; nats per unit of h, or of the state."""

    output: NDArray[np.float64]  # of d loss[t] / d h[t - k], h the output of the top layer
    state: NDArray[np.float64]  # of d loss[t] / d s[t - k], s all that all layers carry (an lstm's c too)


def gradient_over_lag(network: Network, ids: Ids, lags: int = 100, positions: int = 100) -> GradientOverLag:
    """For k = 0 .. lags, the norm of d loss[t] / d s[t - k], averaged over positions t spread over the text.

    loss[t] = -ln p of the character after position t. The states s[t - k] of all layers are taken as they
    stand between two steps, each an independent variable: all that later steps and the softmax read of
    them counts, so with attention also the key and value made of h[t - k]. For one layer of rnn or gru
    without attention, `output` and `state` are equal; for k = 0 they always are.
    Computed in float64, without dropout: norms of 1e-100 are still right. t is at least `lags`; the text is
    read from its start, from a zero state.  Fewer positions where the text has not so many.
    Errors: TextError for a text of fewer than lags + 2 characters; UsageError.
    Cost: reading the text, and a forward and a backward pass of lags + 1 steps for each position.
    Source: Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013, section 2.
    """
    at_least("lags", lags, 0)
    at_least("positions", positions, 1)
    if len(ids) < lags + 2:
        raise TextError(f"the text has {len(ids)} characters", f"{lags} lags need {lags + 2}")
    if ids.max() >= network.vocab_size:
        raise UsageError(f"an id is {ids.max()}", f"the model knows {network.vocab_size} characters")
    exact = Network(
        replace(network.config, dtype="float64"), network.vocab_size, network.flat.astype(np.float64)
    )
    exact.pack(back=False)
    starts = np.unique(np.linspace(0, len(ids) - lags - 2, positions).astype(np.int64))
    norms = np.zeros((2, lags + 1))
    for work in _windows(exact, ids, starts, lags + 1):
        norms += _backward(exact, work)
    return GradientOverLag(*(norms / len(starts)))


def _windows(network: Network, ids: Ids, starts: Ids, steps: int) -> Iterator[model.Work]:
    """The memory of a forward pass over ids[start : start + steps] for each start, on the state before it."""
    shard = network.shard(1, max(steps, CHUNK))
    at = 0
    for start in starts:
        while at < start:
            stop = min(at + CHUNK, start)
            _read(shard, ids[at : stop + 1])
            at = stop
        carried = shard.carried
        _read(shard, ids[start : start + steps + 1])
        yield shard.work(steps)
        shard.carried = carried


def _read(shard: Shard, text: Ids) -> None:
    shard.loss(text[None, :-1], text[None, 1:])


def _backward(network: Network, work: model.Work) -> Array:
    """Norms (2, T) of the gradient of the last loss alone, by h and by s, T - 1 steps back to the last first.

    As model.backward and layer.backward, but for the weights' gradients: it keeps ds at each step instead.
    """
    w, cell = network.weights, network.cell
    cell_backward = sys.modules[type(cell).__module__].backward
    inputs, recurrent = list(cell.input), list(cell.recurrent)
    dy, ds = _by_output(network, work), np.zeros_like(work.ds)
    norms = np.empty((2, len(dy)))
    for t in range(len(dy) - 1, -1, -1):
        ds[-1, 0] += dy[t]
        norms[:, len(dy) - 1 - t] = np.linalg.norm(ds[-1, 0]), np.linalg.norm(ds)
        for l in range(len(ds) - 1, -1, -1):
            cell_backward(work.a[l], work.s[l], t, ds[l])
            da = work.a[l, :, t]
            ds[l, 0] += np.tensordot(da[recurrent], w.recurrent[l], 2)
            if l > 0:
                ds[l - 1, 0] += np.tensordot(da[inputs], w.stacked[l - 1], 2)
    return norms


def _by_output(network: Network, work: model.Work) -> Array:
    """The gradient of the last loss by what softmax and attention read of the top layer (T, H)."""
    w = network.weights
    dy: Array = np.zeros_like(work.dy)
    dlogits = work.logits[0, -1].copy()  # p, so far
    dlogits[work.targets[-1]] -= 1
    dy[-1] = dlogits @ w.out[0]
    if network.config.attention:
        work.dcontext[...] = 0
        work.dcontext[-1] = dlogits @ w.context[0]
        attention.backward(work, np.zeros_like(w.lag))
        dy += np.tensordot(work.attend, w.attend, ((0, 2), (0, 1)))
    return dy
