"""How well a text was predicted: predictions of single characters, and metrics of all."""

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
    """Convert nats to bits."""
    return nats / math.log(2)


def perplexity(loss: float) -> float:
    """Return e**loss: the number of equally likely characters that would be as hard to guess."""
    return math.exp(loss) if loss < 700 else math.inf


@dataclass(frozen=True)
class Metrics:
    """How well the characters of a text were predicted, without the first, which nothing precedes."""

    loss: float  # nats per character
    accuracy: float  # share of characters to which the model gave the highest probability
    chars: int

    def __repr__(self) -> str:
        figures = f"loss={self.loss:.4f}, bpc={self.bpc:.4f}, perplexity={self.perplexity:.4f}"
        return f"Metrics({figures}, accuracy={self.accuracy:.4f}, chars={self.chars})"

    @property
    def bpc(self) -> float:
        """Bits per character."""
        return bits(self.loss)

    @property
    def perplexity(self) -> float:
        """e**loss."""
        return perplexity(self.loss)


class Predictions(NamedTuple):
    """The model's predictions for each character of a text (N,)."""

    # -ln p; NaN for the first of a text, which nothing precedes; inf where the model overflowed
    nats: NDArray[np.float64]
    correct: NDArray[np.bool_]  # whether it was the most likely; of equals, the one with the lowest id

    @classmethod
    def unknown(cls, size: int) -> Predictions:
        """Return predictions of NaN, for texts of which nothing is known yet."""
        return cls(np.full(size, np.nan), np.zeros(size, bool))

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """Join the predictions of consecutive texts."""
        nats, correct = ([part[i] for part in parts] for i in range(2))
        return cls(np.concatenate([np.empty(0), *nats]), np.concatenate([np.empty(0, bool), *correct]))

    def set(self, at: slice | Ids, nats: Array, correct: Array) -> None:
        """Set a shard's predictions for some characters; losses that are not finite mark an overflow."""
        self.nats[at] = np.where(np.isfinite(nats), nats, np.inf)
        self.correct[at] = correct

    def refuse_overflow(self, before: int = 0, name: str = "the text", remedy: str = "") -> None:
        """Raise an OverflowingModelError if a loss is infinite.  before: characters before these."""
        over = np.isinf(self.nats)
        if over.any():
            at = before + int(over.argmax()) + 1
            raise OverflowingModelError(f"character {at} of {name}", "the loss", remedy)

    def part(self, start: int, stop: int) -> Predictions:
        """Return the predictions for a range of characters."""
        return Predictions(self.nats[start:stop], self.correct[start:stop])


class Tally:
    """Metrics of a text that is scored in pieces."""

    def __init__(self) -> None:
        self.nats, self.correct, self.chars = 0.0, 0, 0

    def add(self, predictions: Predictions) -> Tally:
        """Add the predictions of a piece."""
        known = ~np.isnan(predictions.nats)
        self.nats += math.fsum(predictions.nats[known].tolist())  # exact in any order
        self.correct += int(np.count_nonzero(predictions.correct))
        self.chars += int(np.count_nonzero(known))
        return self

    @property
    def metrics(self) -> Metrics:
        """The metrics so far; NaN for a text of fewer than two characters."""
        chars = self.chars or math.nan
        return Metrics(self.nats / chars, self.correct / chars, self.chars)
