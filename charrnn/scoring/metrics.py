"""How well a text was predicted: figures of each character, and of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..array_types import Array, Ids
from ..errors import OverflowingModelError

Nats = TypeVar("Nats", float, NDArray[np.float64])


def bits(nats: Nats) -> Nats:
    """Nats as bits."""
    return nats / math.log(2)


def perplexity(loss: float) -> float:
    """e**loss, the number of equally likely characters that would be as hard to guess."""
    return math.exp(loss) if loss < 700 else math.inf


@dataclass(frozen=True)
class Metrics:
    """How well the characters of a text were predicted, all but the first, which nothing precedes."""

    loss: float  # nats per character
    accuracy: float  # share of characters that were the likeliest
    chars: int

    @property
    def bpc(self) -> float:
        """Bits per character."""
        return bits(self.loss)

    @property
    def perplexity(self) -> float:
        return perplexity(self.loss)


class Predictions(NamedTuple):
    """What is known of each character of a text (N,)."""

    # -ln p; NaN for the first of a text, which nothing precedes; inf where the model overflowed
    nats: NDArray[np.float64]
    correct: NDArray[np.bool_]  # whether it was the likeliest, the one of lowest id among equals

    @classmethod
    def unknown(cls, size: int) -> Predictions:
        return cls(np.full(size, np.nan), np.zeros(size, bool))

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """Of texts one after the other."""
        nats, correct = ([part[i] for part in parts] for i in range(2))
        return cls(np.concatenate([np.empty(0), *nats]), np.concatenate([np.empty(0, bool), *correct]))

    def set(self, at: slice | Ids, nats: Array, correct: Array) -> None:
        """Those of some characters, as a shard found them: what is not finite there is an overflow."""
        self.nats[at] = np.where(np.isfinite(nats), nats, np.inf)
        self.correct[at] = correct

    def refuse_overflow(self, before: int = 0, name: str = "the text", remedy: str = "") -> None:
        """before: characters of the text before these.  Errors: OverflowingModelError."""
        over = np.isinf(self.nats)
        if over.any():
            at = before + int(over.argmax()) + 1
            raise OverflowingModelError(f"character {at} of {name}", "the loss", remedy)

    def part(self, start: int, stop: int) -> Predictions:
        return Predictions(self.nats[start:stop], self.correct[start:stop])


class Tally:
    """Metrics that grow by the predictions of pieces."""

    def __init__(self) -> None:
        self.nats, self.correct, self.chars = 0.0, 0, 0

    def add(self, predictions: Predictions) -> Tally:
        known = ~np.isnan(predictions.nats)
        self.nats += math.fsum(predictions.nats[known].tolist())  # exact: in any order
        self.correct += int(np.count_nonzero(predictions.correct))
        self.chars += int(np.count_nonzero(known))
        return self

    @property
    def metrics(self) -> Metrics:
        """NaN for a text without two characters."""
        chars = self.chars or math.nan
        return Metrics(self.nats / chars, self.correct / chars, self.chars)
