"""The data of an explanation's page, ready for JSON, with signals as bytes, small enough for a browser."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import symbol
from ..system.terminal import visible
from .explanation import Explanation, Tracked
from .unit_signals import Signal, to_bytes

LARGEST = 15_000_000  # characters of signals in a page, which browsers open in about a second


def data(explanation: Explanation) -> dict[str, Any]:
    """Return all data that a page shows; see page.py."""
    ranking, trace, untrained = explanation.ranking(), explanation.trace, explanation.untrained()
    vocabulary = explanation.checkpoint.vocabulary
    signals, cut = _within(LARGEST, trace.signals, ranking)
    summary = explanation.summary + (f"; only the ranked units of {', '.join(cut)}" if cut else "")
    looked, bits = trace.attention, explanation.bits
    return {
        "name": explanation.name,
        "summary": summary,
        "symbol": symbol(vocabulary.level),
        "bpc": float(bits[1:].mean()),
        "chars": [_shown(c) for c in explanation.characters],
        "legible": [_shown(c) for c in explanation.legible] if vocabulary.level == "byte" else None,
        "places": explanation.places.tolist(),
        "bits": [None, *bits[1:].round(4).tolist()],
        "guesses": [[[_shown(c), round(p, 4)] for c, p in guesses] for guesses in explanation.guesses],
        "signals": signals,
        "ranking": [each._asdict() | {"untrained": untrained.get(each.tracks, 0)} for each in ranking],
        "attention": None if looked is None else {"window": looked.shape[1], "data": _compressed(looked)},
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
    """Return signals for a page, and the names of those with only ranked units, to limit the page's size.

    The last names are cut first. h, the first name, always has all units.
    """
    packed, cut, total = list[dict[str, Any]](), list[str](), 0
    for name in dict.fromkeys(signal.name for signal in signals):
        same = [signal for signal in signals if signal.name == name]
        every = [_packed(signal, list(range(len(signal.values)))) for signal in same]
        total += sum(len(signal["data"]) for signal in every)
        if total > largest and name != signals[0].name:
            cut.append(name)
            every = [_packed(s, sorted({r.unit for r in ranking if r.layer == s.layer})) for s in same]
        packed += every
    return packed, cut


def _packed(signal: Signal, units: list[int]) -> dict[str, Any]:
    """Pack units as bytes, each over its own range, which is symmetric about 0 for signed signals."""
    least = -1.0 if signal.values.min() < 0 else 0.0
    peaks = np.abs(signal.values[units]).max(axis=1).tolist()
    highs = [float(f"{peak:.4g}") or 1.0 for peak in peaks]
    rows = [
        to_bytes(signal.values[unit] / np.float64(high), least, 1.0)
        for unit, high in zip(units, highs, strict=True)
    ]
    named = {"layer": signal.layer, "name": signal.name, "units": units}
    return named | {"low": [least * h for h in highs], "high": highs, "data": _compressed(np.stack(rows))}


def _compressed(values: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes())).decode()
