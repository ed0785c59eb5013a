"""Detect a validation tail that differs in kind from the text before it, by counts of character pairs.

The cost of a block of text is the mean -ln p of its characters, each given the one before, under the counts
of other blocks. The gain of a part of the text is how much lower its cost is when random blocks are left out
of the counts instead of that part: then the counts include text like it. In prose and code, a part gains
little, and no part gains much more than others. In a sorted list, every part gains; in two texts joined
together, only the second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..array_types import Array, Ids
from ..config import symbol
from ..errors import field
from .streams import Split
from .vocabulary import Vocabulary

SAMPLE = 1 << 18  # characters examined, in blocks
BLOCK = (16, 256)  # characters: a thousandth of the text, within these limits
FEWEST = 20  # blocks in a tail
PARTS = (2, 20)  # as many as have the size of the tail, within these limits
PRIOR = 4.0  # pseudo-count: pairs that each character is assumed to start before counting
GAIN = 0.05  # least gain of a long tail of another kind, as a share of its cost: docs/texts.md
TOPIC = 3.0  # added, over the square root of its characters: a page or two of any text have a topic
USUAL = 8.0  # least gain relative to that of other parts, if the text is not a list
SHORT = 200  # most characters in the mean line of a list
BLANK = 0.01  # largest share of a list's lines that are empty or indented
SPACES = [ord(character) for character in " \t\r\n\u3000"]


def tail_note(split: Split, vocabulary: Vocabulary, seed: int) -> str:
    """Return a note if the tail is of another kind, or an empty string."""
    kind = tail_kind(split.train, split.val, vocabulary, seed)
    if not (kind and kind.other):
        return ""
    unit = symbol(vocabulary.level)
    found = "the end of the text, held out for validation, differs in kind from the rest: counts of "
    found += f"{unit} pairs would predict it {kind.gain:.2f} nats per {unit} better had they seen its like"
    if kind.is_list:
        return f"{found}; if the order of the lines does not matter, use {field('shuffle_lines')}"
    return f"{found}; use {field('val', 'FILE')} to validate on another text"


@dataclass(frozen=True)
class TailKind:
    """The cost and gain of a tail, the usual gain of other parts, and whether the text is a list of lines."""

    size: int  # characters
    nats: float  # per character, as are both gains
    gain: float
    usual: float
    is_list: bool

    @property
    def other(self) -> bool:
        """Whether it is of another kind; in a shuffled list, no part gains."""
        if self.gain < (GAIN + TOPIC / math.sqrt(self.size)) * self.nats:
            return False
        return self.is_list or self.gain >= USUAL * self.usual


def tail_kind(train: Ids, tail: Ids, vocabulary: Vocabulary, seed: int) -> TailKind | None:
    """Examine the tail of a text; return None if the texts are too short.

    Cost: at most 0.2 s and 20 MB, whatever the length of the text.
    """
    size = len(train) + len(tail)
    rng = np.random.default_rng([seed, 4])
    width = min(max(size // 1000, BLOCK[0]), BLOCK[1])
    head, end = (_sample(ids, width, min(1.0, SAMPLE / size), rng) for ids in (train, tail))
    if min(len(head), len(end)) < FEWEST:
        return None
    parts = int(np.clip(round(size / len(tail)), *PARTS)) - 1
    of_head = _gains(head, _cut(len(head), max(3, parts)), len(vocabulary), rng)
    part = np.append(_cut(len(head), parts), np.full(len(end), parts))
    gain, nats = _gains(np.concatenate([head, end]), part, len(vocabulary), rng)[-1]
    usual = float(np.median(of_head[:, 0]))
    return TailKind(len(tail), float(nats), float(gain), usual, _is_list(head, vocabulary))


def _sample(ids: Ids, width: int, share: float, rng: np.random.Generator) -> Array:
    """Return a random share of the blocks (N, width) of a text, in order."""
    count = len(ids) // width
    chosen = np.sort(rng.choice(count, round(count * share), replace=False))
    return np.asarray(ids[chosen[:, None] * width + np.arange(width)], np.int64)


def _cut(count: int, parts: int) -> NDArray[np.int64]:
    """Return the part (count,) that each of `count` blocks belongs to."""
    return np.arange(count) * parts // count


def _gains(blocks: Array, part: NDArray[np.int64], vocab_size: int, rng: np.random.Generator) -> Array:
    """Return the gain of each part and its cost after that (parts, 2), in nats per character."""
    costs = BlockCosts(blocks, vocab_size)
    nats = costs.apart(rng.permutation(part))  # random groups with the sizes of the parts
    rows = np.stack([costs.apart(part) - nats, nats], axis=1)
    return np.array([rows[part == number].mean(0) for number in range(int(part.max()) + 1)])


class BlockCosts:
    """The cost of blocks (N, width), each under the counts of other blocks."""

    def __init__(self, blocks: Array, vocab_size: int):
        self._vocab_size = vocab_size
        self._first, self._second = blocks[:, :-1], blocks[:, 1:]
        pairs = self._first * vocab_size + self._second
        self._pairs = np.unique(pairs, return_inverse=True)[1].reshape(pairs.shape)

    def apart(self, group: NDArray[np.int64]) -> Array:
        """Return nats per character of each block (N,) under the counts of all blocks outside its group."""
        nats = np.empty(len(group))
        for number in range(int(group.max()) + 1):
            nats[group == number] = self._nats(group == number)
        return nats

    def _nats(self, scored: NDArray[np.bool_]) -> Array:
        def count(symbols: Array) -> Array:
            """Return how often each symbol of the scored blocks occurs in the others."""
            counts = np.bincount(symbols[~scored].ravel(), minlength=int(symbols.max()) + 1)
            return np.asarray(counts[symbols[scored]])

        p = (count(self._second) + 1) / (self._second[~scored].size + self._vocab_size)
        p = (count(self._pairs) + PRIOR * p) / (count(self._first) + PRIOR)
        return np.asarray(-np.log(p).mean(1))


def _is_list(blocks: Array, vocabulary: Vocabulary) -> bool:
    """Return whether a text has many short lines, hardly any of them empty or indented."""
    if vocabulary.newline is None:
        return False
    begin = blocks[:, 1:][blocks[:, :-1] == vocabulary.newline]
    blank = np.isin(vocabulary.points[begin], SPACES)
    return len(begin) * SHORT >= blocks.size and int(blank.sum()) <= BLANK * len(begin)
