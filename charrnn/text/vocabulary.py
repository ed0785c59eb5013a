"""Vocabularies: the characters that a model knows, and texts as their ids."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..array_types import Ids
from ..errors import TextError, field
from .encodings import without_mark

CODE_POINTS = 0x110000  # in Unicode
SURROGATES = 0x800  # of these, not characters
REPLACEMENT = 0xFFFD  # replaces undecodable bytes
MARK = 0xFEFF  # byte order mark, which some systems write at the start of a text
NEAR = 8  # most characters that compose one
FORMS = {"NFC": "composed", "NFD": "decomposed"}
NORMALIZE = (
    'python3 -c "import sys, unicodedata as u; sys.stdout.buffer.write('
    "u.normalize('{}', sys.stdin.buffer.read().decode()).encode())\" < FILE | charrnn ... -"
)


def code_points(text: str) -> Ids:
    """Return the code points of a text (len(text),): uint32, or uint8 if all are ASCII, for speed."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def places(indices: Ids, newlines: Ids) -> Ids:
    """Return line and column (n, 2), from 1, of the characters at `indices` (n,) of a text with newlines."""
    before = np.searchsorted(newlines, indices)
    begun = np.concatenate([[-1], newlines])[before]
    return np.stack([before + 1, indices - begun], axis=1)


@dataclass(frozen=True)
class Vocabulary:
    """The characters a model knows; a character's id is its index in `points`, the sorted code points."""

    points: NDArray[np.uint32]
    level: str = "char"  # or byte: then the points are 0 to 255

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
        """All characters, in the order of their ids."""
        return self.decode(np.arange(len(self)))

    @property
    def newline(self) -> int | None:
        """The id of a line end, or None."""
        return int(self.encode("\n")[0]) if "\n" in self else None

    def __contains__(self, character: str) -> bool:
        return ord(character) in self.points

    def encode(self, text: str, name: str = "the text", unknown: str = "error") -> Ids:
        """Return ids (len(text),) in the smallest type that holds them.

        unknown: `error`, or `skip` for characters that the vocabulary lacks.
        Errors: TextError that lists the first of these characters, and where the first one is.
        """
        points = self.points_in(text)
        lacking = np.flatnonzero(~np.isin(points, self.points))
        if lacking.size and unknown == "error":
            raise unknown_characters(points, lacking, name, self)
        return self.ids_of(np.delete(points, lacking))

    def points_in(self, text: str) -> Ids:
        """Return the code points or bytes of a text, including those that the vocabulary lacks."""
        return code_points(text) if self.level == "char" else np.frombuffer(to_bytes(text), np.uint8)

    def ids_of(self, points: Ids) -> Ids:
        """Return the ids of code points or bytes (N,), all in the vocabulary."""
        return np.searchsorted(self.points, points).astype(np.min_scalar_type(len(self.points) - 1))

    def decode(self, ids: Ids) -> str:
        """Return the text of ids (N,); bytes that are not UTF-8 become lone surrogates: see `to_bytes`."""
        return self.text_of(self.points[ids])

    def characters(self, points: Ids) -> list[str]:
        """Return the characters of code points (N,) one by one; bytes beyond ASCII as lone surrogates."""
        return [chr(p + 0xDC00 if self.level == "byte" and p > 127 else p) for p in points.tolist()]

    def text_of(self, points: Ids) -> str:
        """Return the text of code points or bytes (N,), as `decode` does."""
        if self.level == "byte":
            return points.astype(np.uint8).tobytes().decode("utf-8", "surrogateescape")
        return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def decoder(self) -> Callable[[Ids, bool], str]:
        """Return `decode` for parts: called with ids and whether they are the last, it cuts no character."""
        if self.level == "char":
            return lambda ids, last: self.decode(ids)
        utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        return lambda ids, last: utf8.decode(self.points[ids].astype(np.uint8).tobytes(), last)


def unknown_characters(
    points: Ids,
    lacking: Ids,
    name: str,
    vocabulary: Vocabulary,
    before: int = 0,
    lines: int = 0,
    encoding: str = "",
) -> TextError:
    """Return the error for characters that a vocabulary lacks.

    lacking: their indices in `points`.  before, lines: how many characters and lines precede `points`.
    encoding: that of the file, if the text comes from one.
    """
    first = int(lacking[0])
    characters = list(dict.fromkeys(chr(points[i]) for i in lacking[:1000]))
    shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in characters[:5])
    more = f" and {len(characters) - 5} more" if len(characters) > 5 else ""
    line = lines + int(np.count_nonzero(points[:first] == ord("\n"))) + 1
    skip = f"skip them with {field('unknown', 'skip')}, or train on a text that has them"
    hint = known_otherwise(points, first, vocabulary, bool(encoding))
    if points[first] == REPLACEMENT:
        hint = f"skip undecodable bytes with {field('encoding_errors', 'skip')}"
    if not before + first and points[0] == MARK and (other := without_mark(encoding)):
        hint = f"remove the byte order mark with {field('encoding', other)}"
    return TextError(
        f"{name} has characters that the model never saw in training: {shown}{more}, "
        f"first at character {before + first} (line {line})",
        f"{hint}, or {skip}" if hint else skip,
    )


def known_otherwise(points: Ids, at: int, vocabulary: Vocabulary, file: bool) -> str:
    """Return how to write the character at `at` with characters that the vocabulary has, or an empty string.

    file: whether the text is a file, so that a command can convert it.
    """
    if vocabulary.level == "byte":
        return ""
    if points[at] == ord("\r"):
        return "convert line ends to \\n" + r": tr -d '\r' < FILE | charrnn ... -" * file
    begin, end, length = at, at + 1, 1
    while begin and len(_composed(points[begin - 1 : end])) == length and end - begin < NEAR:
        begin -= 1
    while end < len(points) and len(_composed(points[begin : end + 1])) == length and end - begin < NEAR:
        end += 1
    written = vocabulary.text_of(points[begin:end])
    for form, kind in FORMS.items():
        other = unicodedata.normalize(form, written)  # type: ignore[arg-type]
        if other != written and all(c in vocabulary for c in other):
            command = f": {NORMALIZE.format(form)}" * file
            return f"use the {kind} form ({form}), which the model knows{command}"
    return ""


def _composed(points: Ids) -> str:
    return unicodedata.normalize("NFC", "".join(map(chr, points)))


def to_bytes(text: str) -> bytes:
    """Encode as UTF-8; the lone surrogates of `Vocabulary.decode` become the original bytes."""
    return text.encode("utf-8", "surrogateescape")
