"""Text as numbers: its vocabulary, its split, and the chunks that training reads."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import TextError

Ids = NDArray[Any]


CODE_POINTS = 0x110000  # that there are in Unicode


def code_points(text: str) -> Ids:
    """The characters of a text as numbers (len(text),): uint32, or uint8 where all are ASCII, for speed."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def places(indices: Ids, newlines: Ids) -> Ids:
    """Line and column (n, 2), from 1, of the characters at `indices` (n,) of a text with these newlines."""
    before = np.searchsorted(newlines, indices)
    begun = np.concatenate([[-1], newlines])[before]
    return np.stack([before + 1, indices - begun], axis=1)


@dataclass(frozen=True)
class Vocabulary:
    """The characters a model knows; a character's id is its place in `points`, the sorted code points."""

    points: NDArray[np.uint32]
    level: str = "char"  # or byte: then the points are 0 .. 255

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        return cls(np.unique(code_points(text)).astype(np.uint32))

    @classmethod
    def of_bytes(cls) -> Vocabulary:
        return cls(np.arange(256, dtype=np.uint32), "byte")

    def __len__(self) -> int:
        return len(self.points)

    @property
    def text(self) -> str:
        """Its characters in the order of their ids."""
        return self.decode(np.arange(len(self)))

    def __contains__(self, character: str) -> bool:
        return ord(character) in self.points

    def encode(self, text: str, name: str = "the text", unknown: str = "error") -> Ids:
        """Ids (len(text),) in the smallest type that holds them.

        unknown: `error`, or `skip` for leaving out what the vocabulary lacks.
        Errors: TextError that names the first characters it lacks, and where the first stands.
        """
        points = code_points(text) if self.level == "char" else np.frombuffer(to_bytes(text), np.uint8)
        lacking = np.flatnonzero(~np.isin(points, self.points))
        if lacking.size and unknown == "error":
            raise unknown_characters(points, lacking, name)
        return self.ids_of(np.delete(points, lacking))

    def ids_of(self, points: Ids) -> Ids:
        """As `encode`, for code points or bytes (N,) that it has."""
        return np.searchsorted(self.points, points).astype(np.min_scalar_type(len(self.points) - 1))

    def decode(self, ids: Ids) -> str:
        """The text of ids (N,); bytes that are no UTF-8 become lone surrogates: see `to_bytes`."""
        return self.text_of(self.points[ids])

    def characters(self, points: Ids) -> list[str]:
        """The characters of code points (N,) one by one; of bytes, those beyond ASCII as lone surrogates."""
        return [chr(p + 0xDC00 if self.level == "byte" and p > 127 else p) for p in points.tolist()]

    def text_of(self, points: Ids) -> str:
        """As `decode`, for code points or bytes (N,)."""
        if self.level == "byte":
            return points.astype(np.uint8).tobytes().decode("utf-8", "surrogateescape")
        return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def decoder(self) -> Callable[[Ids, bool], str]:
        """`decode` part by part: called with ids, and whether they are the last; characters come whole."""
        if self.level == "char":
            return lambda ids, last: self.decode(ids)
        utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        return lambda ids, last: utf8.decode(self.points[ids].astype(np.uint8).tobytes(), last)


def unknown_characters(points: Ids, lacking: Ids, name: str, before: int = 0, lines: int = 0) -> TextError:
    """The error for characters that a vocabulary lacks.

    lacking: where they stand in `points`, which come after so many characters and lines of the text.
    """
    first = int(lacking[0])
    characters = list(dict.fromkeys(chr(points[i]) for i in lacking[:1000]))
    shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in characters[:5])
    more = f" and {len(characters) - 5} more" if len(characters) > 5 else ""
    line = lines + int(np.count_nonzero(points[:first] == ord("\n"))) + 1
    return TextError(
        f"{name} has characters that the model never saw in training: {shown}{more}, "
        f"first at character {before + first} (line {line})",
        "leave them out with --unknown skip, or train on a text that has them",
    )


def to_bytes(text: str) -> bytes:
    """UTF-8, and for what `Vocabulary.decode` could not read as UTF-8 the very bytes."""
    return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Split:
    """A corpus cut in three: training text, then the contiguous tails that validate and test."""

    train: Ids
    val: Ids
    test: Ids

    @classmethod
    def of(cls, ids: Ids, val_fraction: float, test_fraction: float = 0.0) -> Split:
        """A tail of a single character predicts nothing and is dropped.

        Errors: TextError when fewer than 2 characters are left to train on.
        """
        test_at = len(ids) - int(len(ids) * test_fraction)
        val_at = test_at - int(len(ids) * val_fraction)
        if val_at < 2:
            raise TextError(
                f"the text has {len(ids)} characters, {max(0, val_at)} of them for training",
                "training needs at least 2: give it more text",
            )
        val, test = ids[val_at:test_at], ids[test_at:]
        return cls(ids[:val_at], val if len(val) > 1 else val[:0], test if len(test) > 1 else test[:0])


@dataclass(frozen=True)
class Streams:
    """A training text as B contiguous streams, read side by side in chunks of T characters.

    Each character but a few at the end (fewer than B) is an input once an epoch; the target is its successor.
    """

    ids: Ids
    batch_size: int
    seq_len: int

    @classmethod
    def of(cls, ids: Ids, batch_size: int, seq_len: int) -> Streams:
        """As many streams as asked for, or fewer so that each is at least a chunk long, and at least one."""
        return cls(ids, max(1, min(batch_size, (len(ids) - 1) // seq_len)), seq_len)

    @property
    def length(self) -> int:
        """Characters of a stream."""
        return (len(self.ids) - 1) // self.batch_size

    @property
    def chunks(self) -> int:
        """Chunks in an epoch; the last may be shorter."""
        return -(-self.length // self.seq_len)

    def chunk(self, number: int) -> tuple[Ids, Ids]:
        """Inputs and targets (B, T) of a chunk."""
        size = self.batch_size * self.length
        start, stop = number * self.seq_len, min((number + 1) * self.seq_len, self.length)
        inputs = self.ids[:size].reshape(self.batch_size, self.length)
        targets = self.ids[1 : size + 1].reshape(self.batch_size, self.length)
        return inputs[:, start:stop], targets[:, start:stop]

    def part(self, start: int, stop: int) -> Streams:
        """Some of them: what they read is contiguous too, and not copied."""
        ids = self.ids[start * self.length : stop * self.length + 1]
        return Streams(ids, stop - start, self.seq_len)

    def begin_after(self, number: int, symbol: int) -> Ids:
        """The streams, counted from 0, whose part of a chunk begins right after a symbol."""
        before = np.arange(self.batch_size) * self.length + number * self.seq_len - 1
        return np.flatnonzero((self.ids[before] == symbol) & (before >= 0))

    def __iter__(self) -> Iterator[tuple[Ids, Ids]]:
        return (self.chunk(number) for number in range(self.chunks))
