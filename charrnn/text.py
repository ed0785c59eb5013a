"""Text in, numbers out: reading a corpus, its vocabulary, its split, and the chunks that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import TextError

Ids = NDArray[Any]


def read(path: Path) -> str:
    """The text of a UTF-8 file, exactly as it is: no newline is translated, no mark removed.

    Errors: TextError that names the file and, for invalid UTF-8, the byte offset.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise TextError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise TextError(f"{path} is a folder", "name a text file in it") from None
    except OSError as error:
        raise TextError(f"{path} cannot be read: {error.strerror}") from None
    return decode(data, str(path))


def decode(data: bytes, name: str) -> str:
    """UTF-8 to text.  Errors: TextError with offset and line of the first bad byte; `name` is its name."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TextError(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start} (line {line})",
            "convert it, for example with: iconv -f LATIN1 -t UTF-8",
        ) from None


def code_points(text: str) -> NDArray[np.uint32]:
    """The characters of a text as numbers (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@dataclass(frozen=True)
class Vocabulary:
    """The characters a model knows; a character's id is its place in `points`, the sorted code points."""

    points: NDArray[np.uint32]

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        return cls(np.unique(code_points(text)))

    def __len__(self) -> int:
        return len(self.points)

    @property
    def text(self) -> str:
        """Its characters in the order of their ids."""
        return self.decode(np.arange(len(self)))

    def __contains__(self, character: str) -> bool:
        return ord(character) in self.points

    def encode(self, text: str, name: str = "the text") -> Ids:
        """Ids (len(text),) in the smallest type that holds them.

        Errors: TextError that names the first characters the vocabulary lacks, and where the first stands.
        """
        points = code_points(text)
        ids = np.searchsorted(self.points, points)
        ids[ids == len(self.points)] = 0
        unknown = np.flatnonzero(self.points[ids] != points)
        if unknown.size:
            raise self._unknown(text, unknown, name)
        return ids.astype(np.min_scalar_type(len(self.points) - 1))

    def _unknown(self, text: str, unknown: Ids, name: str) -> TextError:
        first = int(unknown[0])
        characters = list(dict.fromkeys(text[i] for i in unknown[:1000]))
        shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in characters[:5])
        more = f" and {len(characters) - 5} more" if len(characters) > 5 else ""
        line = text.count("\n", 0, first) + 1
        return TextError(
            f"{name} has characters that the model never saw in training: {shown}{more}, "
            f"first at character {first} (line {line})",
            "leave them out, or train on a text that has them",
        )

    def decode(self, ids: Ids) -> str:
        """The text of ids (N,)."""
        return self.points[ids].astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


@dataclass(frozen=True)
class Split:
    """A corpus cut in two: training text, and the contiguous tail that validates."""

    train: Ids
    val: Ids

    @classmethod
    def of(cls, ids: Ids, val_fraction: float) -> Split:
        """Errors: TextError when fewer than 2 characters are left to train on."""
        cut = len(ids) - int(len(ids) * val_fraction)
        if cut < 2:
            raise TextError(
                f"the text has {len(ids)} characters, {cut} of them for training",
                "training needs at least 2: give it more text",
            )
        val = ids[cut:]
        return cls(ids[:cut], val if len(val) >= 2 else val[:0])


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

    def __iter__(self) -> Iterator[tuple[Ids, Ids]]:
        return (self.chunk(number) for number in range(self.chunks))
