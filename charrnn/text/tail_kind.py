"""Whether the tail that validates is of another kind than the text before it, by counts of pairs.

A block of text costs -ln p of its characters, each given the one before, under counts of other blocks. What
a part of the text gains is what it costs less where random blocks are left out in its place: then the counts
have seen its like. In prose and code a part gains little, and no part much more than others. In a sorted
list every part gains; of two texts one after the other, the second alone.
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

SAMPLE = 1 << 18  # characters that are looked at, in blocks
BLOCK = (16, 256)  # characters: a thousandth of the text, within these
FEWEST = 20  # blocks of a tail
PARTS = (2, 20)  # as many as are of the tail's size, within these
PRIOR = 4.0  # pairs that each character is taken to have begun before any was counted
GAIN = 0.05  # of what it costs, that a long tail of another kind gains at least: docs/texts.md
TOPIC = 3.0  # more, over the square root of its characters: a page or two of any text have a topic
USUAL = 8.0  # times what other parts gain, where the text is no list
SHORT = 200  # characters of a list's mean line
BLANK = 0.01  # of a list's lines that are empty or indented, at most
SPACES = [ord(character) for character in " \t\r\n\u3000"]


def tail_note(split: Split, vocabulary: Vocabulary, seed: int) -> str:
    """What to say of a text whose tail is of another kind; nothing of others."""
    kind = tail_kind(split.train, split.val, vocabulary, seed)
    if not (kind and kind.other):
        return ""
    unit = symbol(vocabulary.level)
    found = "the tail that validates is of another kind than what is trained on: counts of "
    found += f"{unit} pairs would predict it {kind.gain:.2f} nats a {unit} better had they seen its like"
    if kind.is_list:
        return f"{found}; if the lines may stand in any order, {field('shuffle_lines')} draws one"
    return f"{found}; {field('val', 'FILE')} names another text to validate on"


@dataclass(frozen=True)
class TailKind:
    """What a tail costs and gains, what other parts gain, and whether the text is a list of lines."""

    size: int  # characters
    nats: float  # a character, as are both gains
    gain: float
    usual: float
    is_list: bool

    @property
    def other(self) -> bool:
        """Whether it is of another kind; of a list's parts none should gain, for the order says nothing."""
        if self.gain < (GAIN + TOPIC / math.sqrt(self.size)) * self.nats:
            return False
        return self.is_list or self.gain >= USUAL * self.usual


def tail_kind(train: Ids, tail: Ids, vocabulary: Vocabulary, seed: int) -> TailKind | None:
    """Of the tail of a text whose rest is trained on; None for texts too short to tell.

    Cost: 0.2 s and 20 MB at most, whatever the text's length.
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
    """A share of the blocks (N, width) of a text, in its order."""
    count = len(ids) // width
    chosen = np.sort(rng.choice(count, round(count * share), replace=False))
    return np.asarray(ids[chosen[:, None] * width + np.arange(width)], np.int64)


def _cut(count: int, parts: int) -> NDArray[np.int64]:
    """The part (count,) to which each of so many blocks belongs."""
    return np.arange(count) * parts // count


def _gains(blocks: Array, part: NDArray[np.int64], vocab_size: int, rng: np.random.Generator) -> Array:
    """What each part gains, and what it then costs (parts, 2), in nats a character."""
    costs = BlockCosts(blocks, vocab_size)
    nats = costs.apart(rng.permutation(part))  # from random groups of the parts' sizes
    rows = np.stack([costs.apart(part) - nats, nats], axis=1)
    return np.array([rows[part == number].mean(0) for number in range(int(part.max()) + 1)])


class BlockCosts:
    """Of blocks (N, width), each under the counts of others."""

    def __init__(self, blocks: Array, vocab_size: int):
        self._vocab_size = vocab_size
        self._first, self._second = blocks[:, :-1], blocks[:, 1:]
        pairs = self._first * vocab_size + self._second
        self._pairs = np.unique(pairs, return_inverse=True)[1].reshape(pairs.shape)

    def apart(self, group: NDArray[np.int64]) -> Array:
        """Nats a character of each block (N,) under the counts of all that are not of its group."""
        nats = np.empty(len(group))
        for number in range(int(group.max()) + 1):
            nats[group == number] = self._nats(group == number)
        return nats

    def _nats(self, scored: NDArray[np.bool_]) -> Array:
        def count(symbols: Array) -> Array:
            """How often the others have each symbol of those that are scored."""
            counts = np.bincount(symbols[~scored].ravel(), minlength=int(symbols.max()) + 1)
            return np.asarray(counts[symbols[scored]])

        p = (count(self._second) + 1) / (self._second[~scored].size + self._vocab_size)
        p = (count(self._pairs) + PRIOR * p) / (count(self._first) + PRIOR)
        return np.asarray(-np.log(p).mean(1))


def _is_list(blocks: Array, vocabulary: Vocabulary) -> bool:
    """Whether a text has many short lines of which hardly one is empty or indented."""
    if vocabulary.newline is None:
        return False
    begin = blocks[:, 1:][blocks[:, :-1] == vocabulary.newline]
    blank = np.isin(vocabulary.points[begin], SPACES)
    return len(begin) * SHORT >= blocks.size and int(blank.sum()) <= BLANK * len(begin)
