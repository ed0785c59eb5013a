"""What a model does at each character of a text: its guesses, what its units track, how far it reaches."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .checkpoint import Checkpoint
from .config import at_least
from .corpus import known_blocks, name_of
from .errors import TextError
from .escape import visible
from .features import features, scores
from .lag import gradient_over_lag
from .network import Network
from .text import Ids
from .watch import Signal, Watched, to_bytes, watch

LONGEST = 20_000  # characters
TOP = 5  # guesses for each character
BEST = 5  # units for each thing they track
LAGS, POSITIONS = 100, 20  # of the gradient over lag
LAG_TEXT = 2000  # characters that it is averaged over, so that large networks do not take minutes
UNTRAINED = ("rnn", "gru", "lstm")
LARGEST = 15_000_000  # characters of signals in a page, which browsers then open in about a second


class Tracked(NamedTuple):
    """A unit that goes along with something that can be named."""

    layer: int  # counted from 1
    unit: int  # counted from 0
    tracks: str
    score: float  # the size of their correlation
    sign: int  # -1: the unit is low where the thing is high


@dataclass(frozen=True)
class Explanation:
    """A text of n characters as a model read it."""

    name: str
    checkpoint: Checkpoint
    ids: Ids
    watched: Watched

    @property
    def bits(self) -> NDArray[np.float64]:
        """-log2 p of each character (n,), NaN for the first, which nothing precedes."""
        return np.asarray(self.watched.nats / math.log(2))

    @property
    def characters(self) -> list[str]:
        """The text; bytes beyond ASCII, of a model of bytes, as lone surrogates."""
        return self._spelled(self.ids)

    def _spelled(self, ids: Ids) -> list[str]:
        vocabulary = self.checkpoint.vocabulary
        return vocabulary.characters(vocabulary.points[ids])

    @property
    def guesses(self) -> list[list[tuple[str, float]]]:
        """What the model expected in each place, likeliest first, with its chance; nothing in the first."""
        ids, chances = self.watched.guesses, self.watched.chances
        pairs = zip(map(self._spelled, ids[1:]), chances[1:].tolist(), strict=True)
        return [[], *(list(zip(*pair, strict=True)) for pair in pairs)]

    @property
    def summary(self) -> str:
        """The model in a few words."""
        network = self.checkpoint.network
        config = network.config
        looks = f", attention over {config.attention}" if config.attention else ""
        size = f"{config.num_layers} x {config.hidden_size} units{looks}, {network.layout.size:,} parameters"
        return f"{config.cell}, {size}"

    def ranking(self, signal: str = "h") -> list[Tracked]:
        """For each thing that can be named, the BEST units of all layers; best first (see features.py).

        signal: h, or another that the cell has, such as c.
        """
        told, found = features(self.characters), list[Tracked]()
        outputs = [each.values for each in self.watched.signals if each.name == signal]
        by_layer = [scores(values, told) for values in outputs]
        for name in by_layer[0]:
            every = np.concatenate([layer[name] for layer in by_layer])
            for index in np.argsort(-np.abs(every), kind="stable")[:BEST].tolist():
                layer, unit = divmod(index, len(outputs[0]))
                score = round(abs(float(every[index])), 4)
                found.append(Tracked(layer + 1, unit, name, score, 1 if every[index] >= 0 else -1))
        return sorted(found, key=lambda tracked: -tracked.score)

    def lags(self) -> dict[str, NDArray[np.float64]]:
        """Norms of the gradient by the output of the top layer 0, 1, 2 ... steps back: see lag.py.

        Of this model, and of an untrained one of each cell, of the same sizes but without attention.
        """
        network, text = self.checkpoint.network, self.ids[:LAG_TEXT]
        networks = {"this model": network}
        for cell in UNTRAINED:
            config = replace(network.config, cell=cell, attention=0)
            networks[f"{cell}, untrained"] = Network(config, network.vocab_size, seed=0)
        lags = min(LAGS, len(text) - 2)
        return {
            name: gradient_over_lag(each, text, lags, POSITIONS).output for name, each in networks.items()
        }


def read(
    path: Path, checkpoint: Checkpoint, encoding: str = "utf-8", unknown: str = "error"
) -> tuple[Ids, int]:
    """The ids of a file (- is stdin), and how many characters that the model never saw were left out.

    Errors: TextError, as corpus.encode, and for a text too long to explain, whose end is not read.
    """
    parts, skipped, count = list[NDArray[Any]](), 0, 0
    for points, known in known_blocks(path, checkpoint.vocabulary, encoding, unknown):
        parts.append(checkpoint.vocabulary.ids_of(points[known]))
        skipped += int(np.count_nonzero(~known))
        count += len(parts[-1])
        if count > LONGEST:
            break
    _refuse(count, name_of(path))
    return np.concatenate(parts), skipped


def _refuse(count: int, name: str = "the text") -> None:
    """Errors: TextError for a text too short or too long."""
    if count < 2:
        raise TextError(f"{name} has {count} characters that the model knows", "explaining needs at least 2")
    if count > LONGEST:
        raise TextError(
            f"{name} has more than {LONGEST:,} characters",
            f"explain a part of it: head -c {LONGEST} FILE | charrnn explain CHECKPOINT -",
        )


def explain(checkpoint: Checkpoint, ids: Ids, name: str = "model", top: int = TOP) -> Explanation:
    """Read a text of 2 to LONGEST characters and keep what the model did; top: guesses for each of them.

    ids: (n,), of the checkpoint's vocabulary.  Errors: TextError, UsageError.  Cost: see watch.py.
    """
    at_least("top", top, 1)
    _refuse(len(ids))
    return Explanation(name, checkpoint, ids, watch(checkpoint.network, ids, top))


def data(explanation: Explanation) -> dict[str, Any]:
    """All that a page shows of an explanation, ready for JSON: see explain_page.py."""
    ranking, watched = explanation.ranking(), explanation.watched
    signals, cut = _within(LARGEST, watched.signals, ranking)
    summary = explanation.summary + (f"; of {' '.join(cut)} the ranked units alone" if cut else "")
    looked, bits = watched.attention, explanation.bits
    return {
        "name": explanation.name,
        "summary": summary,
        "bpc": float(bits[1:].mean()),
        "chars": [_shown(c) for c in explanation.characters],
        "bits": [None, *bits[1:].round(4).tolist()],
        "guesses": [[[_shown(c), round(p, 4)] for c, p in guesses] for guesses in explanation.guesses],
        "signals": signals,
        "ranking": [tracked._asdict() for tracked in ranking],
        "attention": None if looked is None else {"window": looked.shape[1], "data": _compressed(looked)},
        "attention_first_lag": 0,
        "lags": [
            {"name": name, "trained": i == 0, "norms": [float(f"{norm:.4g}") for norm in norms]}
            for i, (name, norms) in enumerate(explanation.lags().items())
        ],
    }


def _shown(character: str) -> str:
    return visible(character, keep="\n\t")


def _within(
    largest: int, signals: list[Signal], ranking: list[Tracked]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Signals for a page, and which of them, from the last name on, have ranked units alone, to be small.

    Of h, the first, all units are there however many they are.
    """
    packed, cut, total = list[dict[str, Any]](), list[str](), 0
    for name in dict.fromkeys(signal.name for signal in signals):
        same = [signal for signal in signals if signal.name == name]
        every = [_packed(signal, list(range(len(signal.values)))) for signal in same]
        total += sum(len(signal["data"]) for signal in every)
        if total > largest and name != "h":
            cut.append(name)
            every = [_packed(s, sorted({r.unit for r in ranking if r.layer == s.layer})) for s in same]
        packed += every
    return packed, cut


def _packed(signal: Signal, units: list[int]) -> dict[str, Any]:
    high = max(1.0, float(np.abs(signal.values).max()))
    low = -high if signal.values.min() < 0 else 0.0  # the same both ways: 0 is in the middle
    packed = _compressed(to_bytes(signal.values[units], low, high))
    named = {"layer": signal.layer, "name": signal.name, "low": low, "high": high}
    return named | {"units": units, "data": packed}


def _compressed(values: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes())).decode()
