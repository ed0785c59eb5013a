"""Reading a corpus of any size into ids, block by block: files one after the other, plain or compressed."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..array_types import Ids
from ..system.stdio import name_of
from .files import blocks
from .vocabulary import CODE_POINTS, Vocabulary, to_bytes, unknown_characters

SMALL = 1 << 15  # characters


@dataclass(frozen=True)
class Corpus:
    """A text as ids in the smallest type that holds them, its vocabulary, and a digest of what was read."""

    ids: Ids
    vocabulary: Vocabulary
    sha256: str  # of the bytes read, unpacked


def load(paths: Sequence[Path], encoding: str = "utf-8", level: str = "char") -> Corpus:
    """Read files, or stdin for -, as one text.  level: `char`, or `byte` for the 256 bytes of any file.

    Errors: TextError that names the file and, for text that is not in `encoding`, the byte offset.
    Cost: 1 byte of memory a character, 2 or 4 for more than 256 or 65,536 different ones; at no time more.
    """
    digest, gathered = hashlib.sha256(), _Gathered()
    for path in paths:
        for points in blocks(path, encoding, level, digest.update):
            gathered.add(points)
    vocabulary = Vocabulary.of_bytes() if level == "byte" else Vocabulary(np.sort(gathered.seen))
    return Corpus(gathered.ids_of(vocabulary), vocabulary, digest.hexdigest())


def from_text(text: str) -> Corpus:
    """A text in memory as a corpus."""
    vocabulary = Vocabulary.of(text)
    return Corpus(vocabulary.encode(text), vocabulary, hashlib.sha256(to_bytes(text)).hexdigest())


def encode(
    path: Path, vocabulary: Vocabulary, encoding: str = "utf-8", unknown: str = "error"
) -> tuple[Ids, int]:
    """A file's ids in a vocabulary that exists, and how many characters were left out.

    unknown: `error`, or `skip` for leaving out what the vocabulary lacks.
    Errors: TextError, as `load`, and for unknown characters.
    """
    gathered, skipped = _Gathered(vocabulary.points), 0
    for points, known in known_blocks(path, vocabulary, encoding, unknown):
        gathered.add(points[known])
        skipped += int(np.count_nonzero(~known))
    return gathered.ids_of(vocabulary), skipped


def known_blocks(
    path: Path, vocabulary: Vocabulary, encoding: str = "utf-8", unknown: str = "error"
) -> Iterator[tuple[Ids, NDArray[np.bool_]]]:
    """As `blocks`, with which of the characters the vocabulary has.  Errors: as `encode`."""
    has = np.zeros(CODE_POINTS, bool)
    has[vocabulary.points] = True
    characters = lines = 0
    for points in blocks(path, encoding, vocabulary.level):
        known = has.take(points)
        if unknown == "error" and not known.all():
            raise unknown_characters(points, np.flatnonzero(~known), name_of(path), characters, lines)
        characters += len(points)
        lines += int(np.count_nonzero(points == ord("\n")))
        yield points, known


class _Gathered:
    """Characters numbered in the order in which each was first seen, until the whole vocabulary is known."""

    def __init__(self, seen: Ids | tuple[()] = ()):
        """seen: code points that are numbered already."""
        self.seen = np.empty(0, np.uint32)
        self._number = np.zeros(CODE_POINTS, np.uint32)  # of each code point, counted from 1
        self._parts: list[Ids] = []
        self._see(np.asarray(seen, np.uint32))

    def _see(self, new: Ids) -> None:
        self._number[new] = np.arange(len(self.seen) + 1, len(self.seen) + 1 + len(new))
        self.seen = np.concatenate([self.seen, new.astype(np.uint32)])

    def add(self, points: Ids) -> None:
        numbers = self._number.take(points)
        if not numbers.all():
            self._see(np.unique(points[numbers == 0]))
            numbers = self._number.take(points)
        part = _mapped(len(points), np.min_scalar_type(max(0, len(self.seen) - 1)))
        self._parts.append(np.subtract(numbers, 1, out=part, casting="unsafe"))

    def ids_of(self, vocabulary: Vocabulary) -> Ids:
        """The ids of all characters, which are forgotten on the way."""
        dtype = np.min_scalar_type(max(0, len(vocabulary) - 1))
        final = np.searchsorted(vocabulary.points, self.seen).astype(dtype)
        stop = sum(map(len, self._parts))
        ids = np.empty(stop, dtype)
        while self._parts:
            part = self._parts.pop()
            ids[stop - len(part) : stop] = final.take(part)
            stop -= len(part)
        return ids


def _mapped(length: int, dtype: Any) -> Ids:
    """An array that goes back to the system as soon as it is dropped, where malloc would keep its memory.

    Not for the crumbs of a slow pipe: a process may have some 65,000 maps.
    """
    if length < SMALL:
        return np.empty(length, dtype)
    return np.frombuffer(mmap.mmap(-1, max(1, length * dtype.itemsize)), dtype, length)
