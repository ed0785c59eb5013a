"""Read a text and record what the kernels do at each character: guesses, states, gates, attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..array_types import Array, Ids
from ..errors import OverflowingModelError
from ..kernels import model
from ..model.network import Network
from ..model.shard import Shard
from ..scoring.reader import CHUNK


class Signal(NamedTuple):
    """The values of a layer's units over a text."""

    layer: int  # counted from 1
    name: str  # h, c, or the cell's name of a gate
    values: NDArray[np.float32]  # (H, n), each after reading its character


@dataclass(frozen=True)
class Trace:
    """A network's record of reading a text from a state of zero."""

    nats: NDArray[np.float64]  # (n,) -ln p of each character; NaN for the first, which nothing precedes
    guesses: Ids  # (n, top) ids of the most likely characters in each place; meaningless for the first
    chances: Array  # (n, top) their probabilities
    signals: list[Signal]
    attention: Array | None  # (n, window) bytes: 255 times the weight of the output 0, 1, 2 ... steps back


def trace(network: Network, ids: Ids, top: int) -> Trace:
    """Read a text (n,) as one sequence, with the kernels that score and train.

    Errors: OverflowingModelError for a network whose states or losses overflow.
    Cost: the forward pass of a single sequence; memory for H values per signal, layer and character.
    """
    network.pack(back=False)
    n, config, top = len(ids), network.config, min(top, network.vocab_size)
    shard, names = Shard(network, 1, CHUNK), [*network.cell.states, *network.cell.gates]
    signals = [
        Signal(layer + 1, name, np.empty((config.hidden_size, n), np.float32))
        for layer in range(config.num_layers)
        for name in names
    ]
    nats, guesses, chances = np.full(n + 1, np.nan), np.zeros((n + 1, top), np.int64), np.zeros((n + 1, top))
    attention = np.zeros((n, config.attention), np.uint8) if config.attention else None
    following = np.append(ids[1:], ids[:1])  # the last character is read too, but its prediction is discarded
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        after = slice(start + 1, stop + 1)
        nats[after] = shard.score(ids[None, start:stop], following[None, start:stop])[0]
        work = shard.work(stop - start)
        guesses[after], chances[after] = _likeliest(work.logits[0], top)
        for signal in signals:
            with np.errstate(over="ignore"):  # reported below
                signal.values[:, start:stop] = _values(network, work, signal).T
            _refuse_overflow(signal.values[:, start:stop], start, f"{signal.name} of layer {signal.layer}")
        _refuse_overflow(nats[None, start + 1 : stop + 1], start, "the loss after it")
        if attention is not None:
            attention[start:stop] = _looked(work.attention.share[0], config.attention)
    return Trace(nats[:n], guesses[:n], chances[:n], signals, attention)


def _refuse_overflow(values: Array, start: int, what: str) -> None:
    """Raise an OverflowingModelError if `values` (any, T), for characters from `start` on, are not finite."""
    finite = np.isfinite(values).all(axis=0)
    if not finite.all():
        at = start + int(finite.argmin()) + 1
        raise OverflowingModelError(f"character {at} of the text", what)


def to_bytes(values: Array, low: float, high: float) -> Array:
    """Scale values from low to high to bytes from 0 to 255, rounded."""
    scaled: Array = np.rint((values - low) * (255 / (high - low)))
    return scaled.clip(0, 255).astype(np.uint8)


def _values(network: Network, work: model.Work, signal: Signal) -> Array:
    """Return a signal's values in a chunk of one sequence (T, H)."""
    cell = network.cell
    if signal.name in cell.states:
        values: Array = work.s[signal.layer - 1, cell.states.index(signal.name), 1:]
    else:
        values = work.a[signal.layer - 1, cell.blocks.index(signal.name)]
    return values


def _likeliest(p: Array, top: int) -> tuple[Ids, Array]:
    """Return ids and probabilities (N, top) of the largest in each row; among equals, lower ids first."""
    ids = np.sort(np.argpartition(-p, top - 1, axis=1)[:, :top], axis=1)
    found = np.take_along_axis(p, ids, 1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(ids, order, 1), np.take_along_axis(found, order, 1)


def _looked(share: Array, window: int) -> Array:
    """Return weights by lag (0 is the step itself) as bytes (T, window), from `share` (T, window - 1 + T)."""
    steps = np.arange(len(share))[:, None]
    return to_bytes(share[steps, steps + window - 1 - np.arange(window)], 0.0, 1.0)
