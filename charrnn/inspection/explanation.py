"""What a model does at each character of a text: its guesses, its units, how far its gradient reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..array_types import Ids
from ..checkpoint.checkpoint import Checkpoint
from ..config import ModelConfig, at_least, symbol
from ..errors import TextError, UsageError
from ..kernels.helpers import compile_from_the_end, helped
from ..model.network import Network
from ..scoring.metrics import bits
from ..system.stdio import name_of
from ..text.corpus import known_blocks
from ..text.notes import Notes
from ..text.vocabulary import Vocabulary, places
from .gradient_over_lag import gradient_over_lag
from .text_features import correlations, features
from .unit_signals import Trace, trace

LONGEST = 20_000  # characters
DOT = "\u00b7"
TOP = 5  # guesses for each character
BEST = 5  # units for each feature in the ranking
LAGS, POSITIONS = 100, 20  # for the gradient over lag
LAG_TEXT = 2000  # characters to average over, so that large networks do not take minutes
UNTRAINED = ("rnn", "gru", "lstm")


class Reading(NamedTuple):
    """A text of n characters, all in the model's vocabulary."""

    ids: Ids  # (n,)
    places: Ids  # (n, 2) line and column of each character in its file, from 1
    skipped: int  # characters left out because the model does not have them


class Tracked(NamedTuple):
    """A unit that correlates with a feature of the text."""

    layer: int  # counted from 1
    signal: str  # h or c, or the signal passed to `ranking`
    unit: int  # counted from 0
    tracks: str
    score: float  # absolute value of their correlation
    sign: int  # -1: the unit is low where the feature is high


@dataclass(frozen=True)
class Explanation:
    """What a model did while it read a text of n characters."""

    name: str
    checkpoint: Checkpoint
    ids: Ids
    places: Ids  # (n, 2) line and column
    trace: Trace

    @property
    def bits(self) -> NDArray[np.float64]:
        """-log2 p of each character (n,); NaN for the first, which nothing precedes."""
        return bits(self.trace.nats)

    @property
    def characters(self) -> list[str]:
        """The text as characters; for a byte model, as bytes, with lone surrogates beyond ASCII."""
        return self._spelled(self.ids)

    @property
    def legible(self) -> list[str]:
        """Like `characters`, but shows a character of several bytes at its first, and dots at the others."""
        if self.checkpoint.vocabulary.level == "char":
            return self.characters
        whole = self.checkpoint.vocabulary.decode(self.ids)
        return [part for c in whole for part in c + DOT * (len(c.encode("utf-8", "surrogateescape")) - 1)]

    def _spelled(self, ids: Ids) -> list[str]:
        vocabulary = self.checkpoint.vocabulary
        return vocabulary.characters(vocabulary.points[ids])

    @property
    def guesses(self) -> list[list[tuple[str, float]]]:
        """The guesses for each character and their probabilities, most likely first; [] for the first."""
        ids, chances = self.trace.guesses, self.trace.chances
        pairs = zip(map(self._spelled, ids[1:]), chances[1:].tolist(), strict=True)
        return [[], *(list(zip(*pair, strict=True)) for pair in pairs)]

    @property
    def summary(self) -> str:
        """A short description of the model."""
        network = self.checkpoint.network
        config = network.config
        looks = f", attention over {config.attention}" if config.attention else ""
        size = f"{config.num_layers} x {config.hidden_size} units{looks}, {network.layout.size:,} parameters"
        return f"{config.cell}, {size}"

    def ranking(self, signal: str = "") -> list[Tracked]:
        """Return the BEST units of all layers for each feature, best first (see text_features.py).

        signal: h or another signal of the cell; by default all that the cell carries (an LSTM's h and c).
        Errors: UsageError for an unknown signal.
        """
        there = [*dict.fromkeys(each.name for each in self.trace.signals)]
        if signal and signal not in there:
            raise UsageError(f"the signal is {signal!r}", f"choose one of: {', '.join(there)}")
        names = [signal] if signal else self.checkpoint.network.cell.states
        chosen = [each for each in self.trace.signals if each.name in names]
        told, found = features(self.characters), list[Tracked]()
        by_signal = [correlations(each.values, told) for each in chosen]
        for name in by_signal[0]:
            every = np.concatenate([scored[name] for scored in by_signal])
            for index in np.argsort(-np.abs(every), kind="stable")[:BEST].tolist():
                which, unit = divmod(index, len(chosen[0].values))
                score, sign = round(abs(float(every[index])), 4), 1 if every[index] >= 0 else -1
                found.append(Tracked(chosen[which].layer, chosen[which].name, unit, name, score, sign))
        return sorted(found, key=lambda tracked: -tracked.score)

    def untrained(self) -> dict[str, float]:
        """Return the best score for each feature of an untrained network of the same size.

        Cost: the same as `explain`.
        """
        network = self.checkpoint.network
        fresh = replace(self.checkpoint, network=Network(network.config, network.vocab_size, seed=0))
        best = dict[str, float]()
        for tracked in explain(fresh, self.ids, top=1).ranking():
            best.setdefault(tracked.tracks, tracked.score)
        return best

    def lags(self) -> dict[str, NDArray[np.float64]]:
        """Return norms of the gradient with respect to the top layer's output 0, 1, 2 ... steps back.

        There is an array for each network from `compared`.
        """
        text = self.ids[:LAG_TEXT]
        lags = min(LAGS, len(text) - 2)
        return {
            name: gradient_over_lag(each, text, lags, POSITIONS).output
            for name, each in compared(self.checkpoint.network).items()
        }


def read(
    path: Path,
    checkpoint: Checkpoint,
    encoding: str = "utf-8",
    unknown: str = "error",
    errors: str = "strict",
    notes: Notes | None = None,
) -> Reading:
    """Read a file (- is stdin) to explain.  errors, notes: see text/files.py.

    Errors: TextError as in corpus.encode, and for a text that is too long, whose end is not read.
    """
    parts, newlines, indices = list[Ids](), list[Ids](), list[Ids]()
    vocabulary, total, count = checkpoint.vocabulary, 0, 0
    for points, known in known_blocks(path, vocabulary, encoding, unknown, errors, notes):
        parts.append(vocabulary.ids_of(points[known]))
        newlines.append(total + np.flatnonzero(points == ord("\n")))
        indices.append(total + np.flatnonzero(known))
        total += len(points)
        count += len(parts[-1])
        if count > LONGEST:
            break
    _refuse(count, vocabulary.level, name_of(path))
    where = places(np.concatenate(indices), np.concatenate(newlines))
    return Reading(np.concatenate(parts), where, total - count)


def compile_kernels(checkpoint: Checkpoint, page: bool) -> None:
    """Run every kernel once.  page: also those for a page."""
    config = checkpoint.network.config
    with helped(_calls, config, page):
        compile_from_the_end(_calls, config, page)
        short = explain(checkpoint, np.zeros(2, np.int64))
        if page:
            short.lags()


def _calls(config: ModelConfig, page: bool) -> list[Callable[[], object]]:
    """Return calls that compile the kernels; see kernels/helpers.py."""
    model = Checkpoint(
        Network(replace(config, hidden_size=1, num_layers=1, embed_size=0), 1), Vocabulary.of("a"), {}
    )
    text = np.zeros(2, np.int64)
    networks = compared(model.network).values() if page else ()
    # this model's cell last, where this process starts: it shares most kernels with the model
    ordered = sorted(networks, key=lambda network: network.config.cell == config.cell)
    lags = [partial(gradient_over_lag, each, text, 0, 1) for each in ordered]
    return [*lags, partial(explain, model, text)]


def compared(network: Network) -> dict[str, Network]:
    """Return a model, and an untrained one of each cell, of the same size but without attention."""
    networks = {"this model": network}
    for cell in UNTRAINED:
        config = replace(network.config, cell=cell, attention=0)
        networks[f"{cell}, untrained"] = Network(config, network.vocab_size, seed=0)
    return networks


def _refuse(count: int, level: str, name: str = "the text") -> None:
    """Raise a TextError for a text that is too short or too long."""
    unit = f"{symbol(level)}s"
    if count < 2:
        raise TextError(f"{name} has {count} {unit} that the model knows", "use a text with at least 2")
    if count > LONGEST:
        raise TextError(
            f"{name} has more than {LONGEST:,} {unit}",
            "explain a part of it, such as its first lines: head -n 300 FILE | charrnn explain CHECKPOINT -",
        )


def explain(
    checkpoint: Checkpoint, ids: Ids, name: str = "model", top: int = TOP, where: Ids | None = None
) -> Explanation:
    """Read a text of 2 to LONGEST characters and record what the model does; top: guesses per character.

    Shapes: ids (n,), in the checkpoint's vocabulary; where (n, 2) the line and column of each character, by
    default counted in `ids`.
    Errors: TextError, UsageError, and CharrnnError for numbers that overflow.  Cost: see unit_signals.py.
    """
    at_least("top", top, 1)
    _refuse(len(ids), checkpoint.vocabulary.level)
    if where is None:
        newline = np.flatnonzero(checkpoint.vocabulary.points[ids] == ord("\n"))
        where = places(np.arange(len(ids)), newline)
    return Explanation(name, checkpoint, ids, where, trace(checkpoint.network, ids, top))
