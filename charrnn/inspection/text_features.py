"""What a reader can name at each character of a text, as numbers; and how well units of a network track it.

Everything is told as it stands once the character has been read, as a network's state is.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 20  # characters that a feature sets apart, or it is left out: fewer are matched by chance
CLOSES = {")": "(", "]": "[", "}": "{", ">": "<"}
# < and > are brackets within a line alone, and no operators: not before a space, nor after one, - or =
BRACKETS = re.compile(r"[()\[\]{}]|<(?![\s=])|(?<![\s=-])>|\n")
# a quotation ends within its paragraph, one in single quotes within its line; an apostrophe follows a letter
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
    """What can be named in a text, by name: each (n,), 0 or 1 or a count.

    characters: strings of one character.  Cost: linear in the text.
    """
    text = "".join(characters)
    at = np.arange(len(text))
    newline, blank = _where(text, "\n"), _where(text, " \t")
    letter, capital = (np.array([test(c) for c in text], bool) for test in (str.isalpha, str.isupper))
    begun = _last(newline)  # the line end before each character's line, or the character's own
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
    """Pearson's correlation of each unit with each feature, by the feature's name: (H,), from -1 to 1.

    Shapes: units (H, n); each of `told` (n,). Its square is the share of a unit's variance that the feature
    explains. For 0 and 1 it is the difference of the unit's two means, in standard deviations of the unit,
    times sqrt(p (1 - p)) for a share p of ones: a unit that is right about a few places and
    moves elsewhere too scores low, where the area under an ROC curve would call it perfect.
    Features that set fewer than LEAST characters apart are left out; a unit that never moves has 0.
    """
    named = {name: values for name, values in told.items() if _tells(values)}
    if not named:
        return {}
    y = np.stack([*named.values()])
    y = (y - y.mean(axis=1, keepdims=True)) / y.std(axis=1, keepdims=True)
    peaks = np.abs(units).max(axis=1, keepdims=True)
    units = units / np.where(peaks > 0, peaks, 1)  # sums of the largest numbers would overflow
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
    """For each place the last one, itself included, where something is; -1 before the first."""
    return np.maximum.accumulate(np.where(there, np.arange(len(there)), -1))


def _since(there: NDArray[np.bool_], begun: NDArray[np.int64]) -> Floats:
    """How many there are since each line began."""
    counts = np.concatenate([[0], np.cumsum(there)])
    since: Floats = (counts[1:] - counts[begun + 1]).astype(float)
    return since


def _spans(text: str) -> tuple[Floats, Floats]:
    """1 inside quotes, from the opening one to before the closing one; 1 in comments with # or //."""
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
    """How many brackets are open that will be closed; one without its partner does not count."""
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
            while kind != CLOSES[bracket]:  # brackets within that were never closed go too
                kind, start = waiting.pop()
                kinds[kind] -= kind != "<" or start >= line  # those of lines before are forgotten
            change[start], change[found.start()] = 1, -1
    return np.cumsum(change)
