"""Features of a text at each character, as numbers, and how well a network's units track them.

A feature describes the text up to and including the current character, as a network's state does.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 20  # omit a feature that sets fewer characters apart, which units match by chance
CLOSES = {")": "(", "]": "[", "}": "{", ">": "<"}
# < and > count only within a line, and not as operators: < before a space or =, > after a space, - or =
BRACKETS = re.compile(r"[()\[\]{}]|<(?![\s=])|(?<![\s=-])>|\n")
# double quotes end within their paragraph, single quotes within their line; apostrophes follow letters
SPANS = re.compile(
    r"""
    (?P<quotes>
        \"{3}.*?(?:\"{3}|\Z) | '{3}.*?(?:'{3}|\Z)
        | "(?:\\.|[^"\\\n]|\n(?!\s*\n))*(?:"|\Z)
        | \u201c(?:[^\u201c\u201d\n]|\n(?!\s*\n))*(?:\u201d|\Z)
        | (?<!\w)'(?:\\.|[^'\\\n])*'(?!\w)
    )
    | (?P<comment> (?<!\S)(?:\#(?!\w)|//)[^\n]* )
    """,
    re.VERBOSE | re.DOTALL,
)


def features(characters: list[str]) -> dict[str, Floats]:
    """Return the features of a text by name: arrays (n,) of 0 and 1, or of counts.

    characters: strings of one character.  Cost: linear in the text's length.
    """
    text = "".join(characters)
    at = np.arange(len(text))
    newline, blank = _where(text, "\n"), _where(text, " \t")
    letter, capital = (np.array([test(c) for c in text], bool) for test in (str.isalpha, str.isupper))
    begun = _last(newline)  # the line end before each character's line, or the character itself
    leading = blank & (_last(~blank) == begun)
    quotes, comment = _spans(text)
    return {
        "inside quotes": quotes,
        "depth of brackets": _depth(text),
        "line length so far": (at - begun).astype(float),
        "indentation": _since(leading, begun),
        "word start": (letter & ~np.roll(letter, 1) | letter & (at == 0)).astype(float),
        "word length so far": (at - _last(~letter)).astype(float),
        "capitals": capital.astype(float),
        "inside a comment": comment,
    }


def correlations(units: NDArray[Any], told: dict[str, Floats]) -> dict[str, Floats]:
    """Return Pearson's correlation of each unit with each feature, by the feature's name: (H,), from -1 to 1.

    Shapes: units (H, n); each of `told` (n,).
    The square is the share of a unit's variance that the feature explains. For a feature of 0 and 1, the
    correlation is the difference of the unit's two means, in standard deviations of the unit, times
    sqrt(p (1 - p)) for a share p of ones. A unit that is right in a few places but also moves elsewhere
    therefore scores low, where the area under an ROC curve would call it perfect.
    Features that set fewer than LEAST characters apart are omitted; a constant unit scores 0.
    """
    named = {name: values for name, values in told.items() if _tells(values)}
    if not named:
        return {}
    y = np.stack([*named.values()])
    y = (y - y.mean(axis=1, keepdims=True)) / y.std(axis=1, keepdims=True)
    peaks = np.abs(units).max(axis=1, keepdims=True)
    units = units / np.where(peaks > 0, peaks, 1)  # otherwise, sums of the largest numbers would overflow
    deviation = units.std(axis=1, dtype=np.float64)
    products = y.astype(units.dtype) @ units.T / units.shape[1]
    found = np.divide(products, deviation, out=np.zeros(products.shape), where=deviation > 1e-9)
    return dict(zip(named, found, strict=True))


def _tells(values: Floats) -> bool:
    _, counts = np.unique(values, return_counts=True)
    return bool(len(values) - counts.max(initial=0) >= LEAST)


def _where(text: str, characters: str) -> NDArray[np.bool_]:
    return np.array([c in characters for c in text], bool)


def _last(there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each place the last true place up to and including it; -1 before the first."""
    return np.maximum.accumulate(np.where(there, np.arange(len(there)), -1))


def _since(there: NDArray[np.bool_], begun: NDArray[np.int64]) -> Floats:
    """Return how many places are true since the start of each line."""
    counts = np.concatenate([[0], np.cumsum(there)])
    since: Floats = (counts[1:] - counts[begun + 1]).astype(float)
    return since


def _spans(text: str) -> tuple[Floats, Floats]:
    """Return two arrays: 1 inside quotes, with the opening but not the closing one; 1 in # or // comments."""
    quotes, comment = np.zeros(len(text)), np.zeros(len(text))
    for found in SPANS.finditer(text):
        start, end = found.span()
        if found["quotes"]:
            closed = end - start > 1 and found[0][-1] in "\"'\u201d"
            quotes[start : end - closed] = 1
        else:
            comment[start:end] = 1
    return quotes, comment


def _depth(text: str) -> Floats:
    """Return how many brackets are open and will be closed; unmatched brackets do not count."""
    change, waiting, kinds, line = np.zeros(len(text)), list[tuple[str, int]](), Counter[str](), 0
    for found in BRACKETS.finditer(text):
        bracket = found[0]
        if bracket == "\n":
            kinds["<"], line = 0, found.start()
        elif bracket not in CLOSES:
            waiting.append((bracket, found.start()))
            kinds[bracket] += 1
        elif kinds[CLOSES[bracket]]:
            kind, start = "", 0
            while kind != CLOSES[bracket]:  # drop brackets in between that were never closed
                kind, start = waiting.pop()
                kinds[kind] -= kind != "<" or start >= line  # < of earlier lines no longer counts
            change[start], change[found.start()] = 1, -1
    return np.cumsum(change)
