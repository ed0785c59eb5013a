"""A trained model in Python, for notebooks and programs: `model = charrnn.load("x.npz")`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .checkpoint import reading
from .checkpoint.checkpoint import Checkpoint
from .config import SampleConfig
from .errors import UsageError, field
from .inspection.explanation import TOP, Explanation, explain
from .inspection.gradient_over_lag import GradientOverLag, gradient_over_lag
from .parallel.threads import Team
from .sampling.sampler import sample
from .scoring.metrics import Metrics, Predictions, Tally
from .scoring.reader import Reader, score_lines

DEFAULT = SampleConfig()


def load(path: str | Path) -> Model:
    """A model from a checkpoint, which may come from a stranger.  Errors: CheckpointError."""
    return Model(reading.load(Path(path)))


class Model:
    """A checkpoint that draws and scores text, with the figures of the command line."""

    def __init__(self, source: Checkpoint, threads: int = 0):
        """threads: 0 means every core this process may use."""
        self.checkpoint, self._team = source, Team(threads)

    def sample(
        self,
        prime: str = DEFAULT.prime,
        *,
        length: int = DEFAULT.length,
        temp: float = DEFAULT.temp,
        top_k: int = DEFAULT.top_k,
        top_p: float = DEFAULT.top_p,
        min_p: float = DEFAULT.min_p,
        repeat_penalty: float = DEFAULT.repeat_penalty,
        stop: Iterable[str] = DEFAULT.stop,
        seed: int = DEFAULT.seed,
    ) -> str:
        """`length` characters that go on from `prime`, which is not among them; `stop` may end it earlier.

        Errors: TextError for a prime with characters that the model never saw; UsageError; and
        OverflowingModelError.
        """
        config = SampleConfig(
            length, temp, top_k, top_p, min_p, repeat_penalty, prime, tuple(stop), seed=seed
        )
        if not length:
            raise UsageError(f"{field('length')} is 0", "text without end comes from stream")
        return "".join(self.stream(config))

    def stream(self, config: SampleConfig) -> Iterator[str]:
        """Text as it is drawn, in constant memory; a length of 0 never ends.  Errors: as `sample`."""
        return sample(self.checkpoint, config)

    def score(self, text: str) -> Metrics:
        """Loss in nats, bits, perplexity, accuracy, of all characters but the first, which nothing precedes.

        Errors: TextError for characters that the model never saw; OverflowingModelError.
        """
        return Tally().add(self._read(text)).metrics

    def nats(self, text: str) -> NDArray[np.float64]:
        """-ln p of each character (len(text),), NaN for the first; of each byte for a model of bytes."""
        return self._read(text).nats

    def score_lines(self, lines: Iterable[str]) -> list[Metrics]:
        """The score of each text on its own, read after a newline; many at once are fast."""
        vocabulary = self.checkpoint.vocabulary
        ids = [vocabulary.encode(line) for line in lines]
        predictions = score_lines(self.checkpoint.network, ids, vocabulary.newline, self._team)
        for number, each in enumerate(predictions, 1):
            each.refuse_overflow(name=f"line {number}")
        return [Tally().add(each).metrics for each in predictions]

    def gradient_over_lag(self, text: str, lags: int = 100, positions: int = 100) -> GradientOverLag:
        """How far back the model's losses reach: norms (lags + 1,) of their gradient by earlier states.

        See docs/bptt.md.  Errors: TextError for a text too short, or unknown characters.
        """
        return gradient_over_lag(
            self.checkpoint.network, self.checkpoint.vocabulary.encode(text), lags, positions
        )

    def explain(self, text: str, top: int = TOP) -> Explanation:
        """What the model does at each character: its bits and guesses, its units, and what these track.

        Errors: TextError for unknown characters, and for fewer than 2 or more than 20,000; UsageError.
        """
        return explain(self.checkpoint, self.checkpoint.vocabulary.encode(text), top=top)

    def _read(self, text: str) -> Predictions:
        ids = self.checkpoint.vocabulary.encode(text)
        predictions = Reader(self.checkpoint.network, self._team).read(ids)
        predictions.refuse_overflow()
        return predictions
