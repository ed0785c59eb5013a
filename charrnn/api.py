"""Trained models in Python: `model = charrnn.load("x.npz")`."""

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
    """How characters are sampled, and when a sample ends, as on the command line: see docs/options.md."""

    length: int  # default 1000
    temp: float  # default 1; 0: always the most likely character
    top_k: int  # sample from this many of the most likely characters; 0: all
    top_p: float  # sample from the most likely characters that together reach this share; 1: off
    min_p: float  # sample from characters at least this share as likely as the most likely one; 0: off
    repeat_penalty: float  # factor for the ln p of characters read recently; 1: off
    stop: Iterable[str]  # texts that end a sample
    unknown: str  # characters of prime and stop that the model lacks: "error" or "skip"


def load(path: str | Path) -> Model:
    """Load a model from a checkpoint, which need not come from a trusted source.  Errors: CheckpointError."""
    return Model(reading.load(Path(path)))


class Model:
    """A trained model that samples and scores text, with the same results as the command line."""

    def __init__(self, source: Checkpoint, threads: int = 0):
        """threads: 0 means one per core available to this process."""
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
        """Pickle the model without its threads, for process pools: each process starts its own."""
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
        """The characters of the model's vocabulary, in the order of `next_probabilities`."""
        vocabulary = self.checkpoint.vocabulary
        return vocabulary.characters(vocabulary.points)

    def save(self, path: str | Path) -> None:
        """Save the model to a checkpoint for `load` and the command line, whole or not at all.

        Errors: CheckpointError.
        """
        writing.save(Path(path), self.checkpoint)

    def sample(
        self, prime: str = "", *, echo: bool = True, seed: int | None = None, **choice: Unpack[Choice]
    ) -> str:
        """Return `prime` and up to `length` characters that continue it; `stop` may end them earlier.

        echo: whether to include the prime.  seed: by default a new one each time.  choice: see `Choice`.
        Errors: TextError for a prime with characters that the model lacks, unless `unknown` is "skip";
        UsageError; OverflowingModelError.
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
        """Return `num` samples of each prime, one prime after the other; all are sampled in parallel.

        The first sample of each prime is the text that `sample` returns for the same prime and seed.
        unique: return no sample twice.  not_in: texts that no sample may be.  With either, fewer samples are
        returned if the model produces no more new ones.
        Errors: as for `sample`.
        """
        primes = [primes] if isinstance(primes, str) else [*primes]
        if odd := [prime for prime in primes if not isinstance(prime, str)]:
            raise UsageError(
                f"{field('prime')} is {odd[0]!r}", "it must be a str; for several primes, use sample_many"
            )
        values: dict[str, Any] = {**choice, "num": num, "threads": self._threads}
        values |= {"stop": tuple(choice.get("stop", ()))}
        values |= {"seed": secrets.randbelow(2**32) if seed is None else seed}
        config = SampleConfig(**values)
        if not config.length:
            raise UsageError(f"{field('length')} is 0", "for endless text, use stream")
        found = answers(self.checkpoint, config, primes, Known(not_in, unique))
        return [(answer.prime if echo else "") + answer.text for answer in found]

    def stream(self, config: SampleConfig) -> Iterator[str]:
        """Yield text as it is sampled, in constant memory; length 0 never ends.  Errors: as for `sample`."""
        return sample(self.checkpoint, config)

    def next_probabilities(self, text: str) -> NDArray[np.float64]:
        """Return the probability that each of `characters` follows a text (V,).

        Errors: TextError for characters that the model lacks; OverflowingModelError.
        """
        return following(self.checkpoint, text)

    def score(self, text: str, unknown: str = "error") -> Metrics:
        """Return loss, bits per character, perplexity and accuracy of a text.

        The first character is not scored, since nothing precedes it.  A model trained on documents reads each
        from its beginning, after a line end.

        unknown: what to do with characters that the model lacks: "error", "skip", or "score", which counts
        each as 20 bits, as any character of Unicode.
        Errors: TextError for such characters, and for fewer than two others; OverflowingModelError.
        """
        tally = Tally().add(self._read(text, unknown))
        if not tally.chars:
            raise TextError(f"the text has {len(text)} characters", "scoring needs at least 2")
        return tally.metrics

    def nats(self, text: str) -> NDArray[np.float64]:
        """Return -ln p of each character (len(text),), or of each byte for a byte model; NaN for the first.

        Errors: TextError for characters that the model lacks; OverflowingModelError.
        """
        return self._read(text, "error").nats

    def score_lines(self, lines: Iterable[str]) -> list[Metrics]:
        """Score each text on its own, after a newline; faster than one call of `score` for each."""
        vocabulary = self.checkpoint.vocabulary
        ids = [vocabulary.encode(line) for line in lines]
        predictions = score_lines(self.checkpoint.network, ids, vocabulary.newline, self._team)
        for number, each in enumerate(predictions, 1):
            each.refuse_overflow(name=f"line {number}")
        return [Tally().add(each).metrics for each in predictions]

    def gradient_over_lag(self, text: str, lags: int = 100, positions: int = 100) -> GradientOverLag:
        """Measure how far back the model looks: norms (lags + 1,) of the loss gradient by earlier states.

        See docs/bptt.md.  Errors: TextError for a text that is too short, or characters that the model lacks.
        """
        return gradient_over_lag(
            self.checkpoint.network, self.checkpoint.vocabulary.encode(text), lags, positions
        )

    def explain(self, text: str, top: int = TOP, page: str | Path | None = None) -> Explanation:
        """Explain the model's predictions: bits and guesses for each character, units, and what they track.

        top: number of guesses for each character.  page: an HTML file to write.
        Errors: TextError for characters that the model lacks, and for fewer than 2 or more than 20,000
        characters; OSError.
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
