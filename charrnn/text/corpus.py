"""Read a corpus of any size as ids, block by block, from one or more plain or compressed files."""

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
from ..errors import field
from ..system.stdio import name_of
from .files import blocks
from .notes import Notes
from .vocabulary import CODE_POINTS, Vocabulary, to_bytes, unknown_characters

SMALL = 1 << 15  # characters
LINE_ENDS = (ord("\n"), ord("\r"))


@dataclass(frozen=True)
class Corpus:
    """A text as ids in the smallest type that holds them, its vocabulary, and a digest of the text."""

    ids: Ids
    vocabulary: Vocabulary
    sha256: str  # of the bytes read, after decompression


def load(
    paths: Sequence[Path],
    encoding: str = "utf-8",
    level: str = "char",
    errors: str = "strict",
    join: str = "newline",
    notes: Notes | None = None,
) -> Corpus:
    """Read files, or stdin for -, as one text.

    level: `char`, or `byte` for the bytes of any file.  errors, notes: as for `blocks`.
    join: `newline` adds a line end after a file that lacks one if another file follows, `nothing` does not;
    nothing is ever added to bytes.  The digest includes the added line ends.
    Errors: TextError that names the file and, for text that is not in `encoding`, the byte offset.
    Cost: at most 1 byte of memory per character; 2 for more than 256 different characters, 4 for more than
    65,536.
    """
    digest, gathered, last = hashlib.sha256(), _Gathered(), LINE_ENDS[0]
    for number, path in enumerate(paths):
        if last not in LINE_ENDS:
            joined = join == "newline" and level == "char"
            _note_join(notes, paths[number - 1], joined, level)
            if joined:
                gathered.add(np.array([LINE_ENDS[0]], np.uint8))
                digest.update(b"\n")
                last = LINE_ENDS[0]
        for points in blocks(path, encoding, level, digest.update, errors, notes):
            gathered.add(points)
            last = points[-1] if len(points) else last
    vocabulary = Vocabulary.of_bytes() if level == "byte" else Vocabulary(np.sort(gathered.seen))
    return Corpus(gathered.ids_of(vocabulary), vocabulary, digest.hexdigest())


def _note_join(notes: Notes | None, before: Path, joined: bool, level: str) -> None:
    if notes is None or not (joined or level == "byte"):
        return
    said = f"{name_of(before)} has no final line end, and another file follows: "
    if joined:
        notes.add("join", f"{said}one was added; use {field('join', 'nothing')} to add none")
    else:
        notes.add("join", f"{said}none was added, because bytes are read unchanged")


def from_text(text: str, level: str = "char") -> Corpus:
    """Return a text in memory as a corpus."""
    vocabulary = Vocabulary.of_bytes() if level == "byte" else Vocabulary.of(text)
    return Corpus(vocabulary.encode(text), vocabulary, hashlib.sha256(to_bytes(text)).hexdigest())


def encode(
    path: Path,
    vocabulary: Vocabulary,
    encoding: str = "utf-8",
    unknown: str = "error",
    errors: str = "strict",
    notes: Notes | None = None,
) -> tuple[Ids, int]:
    """Return a file's ids in a given vocabulary, and the number of characters skipped.

    unknown: `error`, or `skip` for characters that the vocabulary lacks.  errors, notes: as for `blocks`.
    Errors: TextError, as `load`, and for unknown characters.
    """
    gathered, skipped = _Gathered(vocabulary.points), 0
    for points, known in known_blocks(path, vocabulary, encoding, unknown, errors, notes):
        gathered.add(points[known])
        skipped += int(np.count_nonzero(~known))
    return gathered.ids_of(vocabulary), skipped


def known_blocks(
    path: Path,
    vocabulary: Vocabulary,
    encoding: str = "utf-8",
    unknown: str = "error",
    errors: str = "strict",
    notes: Notes | None = None,
) -> Iterator[tuple[Ids, NDArray[np.bool_]]]:
    """Yield `blocks` with a mask of the characters that the vocabulary has.  Errors: as `encode`."""
    has = np.zeros(CODE_POINTS, bool)
    has[vocabulary.points] = True
    characters = lines = 0
    for points in blocks(path, encoding, vocabulary.level, None, errors, notes):
        known = has.take(points)
        if unknown == "error" and not known.all():
            lacking = np.flatnonzero(~known)
            raise unknown_characters(points, lacking, name_of(path), vocabulary, characters, lines, encoding)
        characters += len(points)
        lines += int(np.count_nonzero(points == ord("\n")))
        yield points, known


class _Gathered:
    """Characters numbered in the order in which they first appear, until the vocabulary is complete."""

    def __init__(self, seen: Ids | tuple[()] = ()):
        """seen: code points to number first."""
        self.seen = np.empty(0, np.uint32)
        self._number = np.zeros(CODE_POINTS, np.uint32)  # of each code point, from 1; 0: none yet
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
        """Return the ids of all characters, and free what was gathered."""
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
    """Return an array whose memory goes back to the system when it is dropped; malloc would keep it.

    Short arrays, as from a slow pipe, are ordinary ones: a process may have some 65,000 maps.
    """
    if length < SMALL:
        return np.empty(length, dtype)
    return np.frombuffer(mmap.mmap(-1, max(1, length * dtype.itemsize)), dtype, length)
