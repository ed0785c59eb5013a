"""Dynamic evaluation: a model that keeps learning from the text it scores.

Mikolov et al. 2010; Krause et al. 2018. Each character is scored before the model learns from it.
"""

from __future__ import annotations

import math

import numpy as np

from ..array_types import Ids
from ..kernels import optimizers
from ..kernels.reduction import sum_of_squares
from ..model.network import Network
from ..model.shard import Shard
from .metrics import Predictions

CHUNK = 32  # characters between updates
CLIP = 1.0  # largest norm of a gradient


class DynamicReader:
    """Like `reader.Reader`, with a step of RMSProp on each chunk after it is scored."""

    def __init__(self, network: Network, lr: float):
        """network: is copied; the copy learns.  lr: learning rate."""
        self._network = Network(network.config, network.vocab_size, network.flat.copy())
        self._lr = lr
        self._shard = Shard(self._network, 1, CHUNK)
        self._start = self._shard.carried  # carried at the start of the current chunk
        self._grad = np.zeros_like(self._network.flat)
        self._views = self._network.layout.views(self._grad)
        self._slots = np.zeros((optimizers.SLOTS["rmsprop"], self._grad.size), self._grad.dtype)
        self._chunk: Ids = np.empty(0, np.int64)  # characters since the last update, and the one before them
        self.learned = False  # whether the weights differ from the model's
        self._network.pack()

    def read(self, ids: Ids) -> Predictions:
        """Score the next characters (N,); results do not depend on how a text is cut into pieces."""
        predictions = Predictions.unknown(len(ids))
        done = 0
        while done < len(ids):
            room = CHUNK + 1 - len(self._chunk)
            known = len(self._chunk)
            part = ids[done : done + room]
            self._chunk = np.concatenate([self._chunk, part])
            self._score(max(1, known), predictions.part(done, done + len(part)))
            done += len(part)
            if len(self._chunk) > CHUNK:
                self._learn()
        return predictions

    def _score(self, first: int, predictions: Predictions) -> None:
        """Score the characters of the chunk from `first` on."""
        size = len(self._chunk) - first
        if size:
            text = self._chunk[None]
            nats = self._shard.score(text[:, first - 1 : -1], text[:, first:])[0]
            predictions.set(slice(-size, None), nats, self._shard.correct(size)[0])

    def _learn(self) -> None:
        """Update the weights once from the whole chunk, after another forward pass."""
        shard, text = self._shard, self._chunk[None]
        shard.carried = self._start
        shard.gradient(text[:, :-1], text[:, 1:], self._grad, self._views, 1 / CHUNK)
        self._start = shard.carried
        self._chunk = self._chunk[-1:]
        norm = math.sqrt(sum_of_squares(self._grad, 0, self._grad.size))
        if np.isfinite(norm):
            optimizers.clip(self._grad, min(1.0, CLIP / max(norm, CLIP)), 0.0)
            self.learned = True
            optimizers.rmsprop(self._network.flat, self._grad, self._slots, self._lr, 1, 0.0)
            self._network.pack()
