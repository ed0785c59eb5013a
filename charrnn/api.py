"""A trained model in Python, for notebooks and programs: `model = charrnn.load("x.npz")`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from .array_types import Array
from .checkpoint import reading, writing
from .checkpoint.checkpoint import Checkpoint
from .config import EvalConfig, ModelConfig, SampleConfig, symbol
from .errors import TextError, UsageError, field
from .inspection.explanation import TOP, Explanation, explain
from .inspection.gradient_over_lag import GradientOverLag, gradient_over_lag
from .inspection.page_file import write as write_page
from .model.network import Network
from .parallel.threads import Team
from .sampling.answers import Known, answers
from .sampling.sampler import following, sample
from .scoring.metrics import Metrics, Predictions, Tally
from .scoring.reader import score_lines
from .scoring.texts import TextScorer
from .text.vocabulary import Vocabulary


class Choice(TypedDict, total=False):
    """How characters are chosen, and when that ends, as on the command line: docs/options.md."""

    length: int  # 1000
    temp: float  # 1; 0: always the most likely character
    top_k: int  # only so many of the most likely; 0: off
    top_p: float  # only the most likely that together reach this share; 1: off
    min_p: float  # only those at least this share as likely as the most likely; 0: off
    repeat_penalty: float  # factor of ln p of the characters read last; 1: off
    stop: Iterable[str]  # texts that end a sample
    unknown: str  # characters of prime and stop that the model does not know: error or skip


def load(path: str | Path) -> Model:
    """A model from a checkpoint, which may come from a stranger.  Errors: CheckpointError."""
    return Model(reading.load(Path(path)))


class Model:
    """A trained model: it samples and scores text, with the results of the command line."""

    def __init__(self, source: Checkpoint, threads: int = 0):
        """threads: 0 means every core this process may use."""
        self.checkpoint, self._team, self._threads = source, Team(threads), threads

    def __repr__(self) -> str:
        """For example: <charrnn.Model lstm, 2 x 256 units, 898,465 parameters, 65 characters>"""
        network, vocabulary = self.checkpoint.network, self.checkpoint.vocabulary
        of = network.config
        return (
            f"<charrnn.Model {of.cell}, {of.num_layers} x {of.hidden_size} units, "
            f"{network.layout.size:,} parameters, {len(vocabulary)} {symbol(vocabulary.level)}s>"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """For process pools: the model without its threads, which each process starts for itself."""
        source = self.checkpoint
        return _again, (
            source.network.config,
            source.network.flat,
            source.vocabulary,
            source.meta,
            self._threads,
        )

    @property
    def characters(self) -> list[str]:
        """Those that it knows, in the order of `next_probabilities`."""
        vocabulary = self.checkpoint.vocabulary
        return vocabulary.characters(vocabulary.points)

    def save(self, path: str | Path) -> None:
        """Write it to a file that `load` and the command line read, whole or not at all.

        Errors: CheckpointError.
        """
        writing.save(Path(path), self.checkpoint)

    def sample(
        self, prime: str = "", *, echo: bool = True, seed: int | None = None, **choice: Unpack[Choice]
    ) -> str:
        """`prime` and up to `length` characters that go on from it; `stop` may end them earlier.

        echo: whether the prime is among them.  seed: by default a new one each time.  choice: see `Choice`.
        Errors: TextError for a prime with characters that the model never saw, unless `unknown` is "skip";
        UsageError; and OverflowingModelError.
        """
        (text,) = self.sample_many([prime], echo=echo, seed=seed, **choice)
        return text

    def sample_many(
        self,
        primes: Iterable[str],
        *,
        num: int = 1,
        echo: bool = True,
        unique: bool = False,
        not_in: Iterable[str] = (),
        seed: int | None = None,
        **choice: Unpack[Choice],
    ) -> list[str]:
        """`num` samples of each prime, one prime after the other; all are drawn side by side.

        Each is the text that `sample` gives for its prime and seed, alone (of several, the first).
        unique, not_in: no sample twice, and none of these; there are fewer where the model gives no more.
        Errors: as `sample`.
        """
        primes = [primes] if isinstance(primes, str) else [*primes]
        if odd := [prime for prime in primes if not isinstance(prime, str)]:
            raise UsageError(f"{field('prime')} is {odd[0]!r}", "it is a text; several are for sample_many")
        values: dict[str, Any] = {**choice, "num": num, "threads": self._threads}
        values |= {"stop": tuple(choice.get("stop", ()))}
        values |= {"seed": secrets.randbelow(2**32) if seed is None else seed}
        config = SampleConfig(**values)
        if not config.length:
            raise UsageError(f"{field('length')} is 0", "text without end comes from stream")
        found = answers(self.checkpoint, config, primes, Known(not_in, unique))
        return [(answer.prime if echo else "") + answer.text for answer in found]

    def stream(self, config: SampleConfig) -> Iterator[str]:
        """Text as it is drawn, in constant memory; a length of 0 never ends.  Errors: as `sample`."""
        return sample(self.checkpoint, config)

    def next_probabilities(self, text: str) -> NDArray[np.float64]:
        """How likely the model takes each of `characters` to follow on a text (V,).

        Errors: TextError for unknown characters; OverflowingModelError.
        """
        return following(self.checkpoint, text)

    def score(self, text: str, unknown: str = "error") -> Metrics:
        """Loss in nats, bits, perplexity, accuracy, of all characters but the first, which nothing precedes.

        A model that was trained on documents reads each from its beginning, after a line end.

        unknown: what to do with characters that the model never saw: "error", "skip", or "score", which
        charges each as one of Unicode's, 20 bits.
        Errors: TextError for such characters, and for a text without two others; OverflowingModelError.
        """
        tally = Tally().add(self._read(text, unknown))
        if not tally.chars:
            raise TextError(f"the text has {len(text)} characters", "scoring needs at least 2")
        return tally.metrics

    def nats(self, text: str) -> NDArray[np.float64]:
        """-ln p of each character (len(text),), NaN for the first; of each byte for a model of bytes.

        Errors: TextError for characters that the model never saw; OverflowingModelError.
        """
        return self._read(text, "error").nats

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

    def explain(self, text: str, top: int = TOP, page: str | Path | None = None) -> Explanation:
        """What the model does at each character: its bits and guesses, its units, and what these track.

        page: a file for the page that shows it in a browser.
        Errors: TextError for unknown characters, and for fewer than 2 or more than 20,000; OSError.
        """
        explained = explain(self.checkpoint, self.checkpoint.vocabulary.encode(text), top=top)
        if page is not None:
            write_page(explained, Path(page))
        return explained

    def _read(self, text: str, unknown: str) -> Predictions:
        return TextScorer(self.checkpoint, EvalConfig(unknown=unknown), self._team).text(text)


def _again(
    config: ModelConfig, flat: Array, vocabulary: Vocabulary, meta: dict[str, Any], threads: int
) -> Model:
    return Model(Checkpoint(Network(config, len(vocabulary), flat), vocabulary, meta), threads)
