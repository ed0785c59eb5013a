"""A vocabulary: the characters that a model knows, and text as their numbers."""

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

CODE_POINTS = 0x110000  # that there are in Unicode
SURROGATES = 0x800  # of these, which are no characters
REPLACEMENT = 0xFFFD  # what stands for bytes that are no text
MARK = 0xFEFF  # byte order mark, which some systems put before a text
NEAR = 8  # characters that may compose one
FORMS = {"NFC": "composed", "NFD": "decomposed"}
NORMALIZE = (
    'python3 -c "import sys, unicodedata as u; sys.stdout.buffer.write('
    "u.normalize('{}', sys.stdin.buffer.read().decode()).encode())\" < FILE | charrnn ... -"
)


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

    @property
    def newline(self) -> int | None:
        """The id of a line end, where it knows it."""
        return int(self.encode("\n")[0]) if "\n" in self else None

    def __contains__(self, character: str) -> bool:
        return ord(character) in self.points

    def encode(self, text: str, name: str = "the text", unknown: str = "error") -> Ids:
        """Ids (len(text),) in the smallest type that holds them.

        unknown: `error`, or `skip` for leaving out what the vocabulary lacks.
        Errors: TextError that names the first characters it lacks, and where the first stands.
        """
        points = self.points_in(text)
        lacking = np.flatnonzero(~np.isin(points, self.points))
        if lacking.size and unknown == "error":
            raise unknown_characters(points, lacking, name, self)
        return self.ids_of(np.delete(points, lacking))

    def points_in(self, text: str) -> Ids:
        """The code points or bytes of a text, whether it has them or not."""
        return code_points(text) if self.level == "char" else np.frombuffer(to_bytes(text), np.uint8)

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


def unknown_characters(
    points: Ids,
    lacking: Ids,
    name: str,
    vocabulary: Vocabulary,
    before: int = 0,
    lines: int = 0,
    encoding: str = "",
) -> TextError:
    """The error for characters that a vocabulary lacks.

    lacking: where they stand in `points`, which come after so many characters and lines of the text.
    encoding: of the file, if it is one.
    """
    first = int(lacking[0])
    characters = list(dict.fromkeys(chr(points[i]) for i in lacking[:1000]))
    shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in characters[:5])
    more = f" and {len(characters) - 5} more" if len(characters) > 5 else ""
    line = lines + int(np.count_nonzero(points[:first] == ord("\n"))) + 1
    skip = f"leave them out with {field('unknown', 'skip')}, or train on a text that has them"
    hint = known_otherwise(points, first, vocabulary, bool(encoding))
    if points[first] == REPLACEMENT:
        hint = f"leave bytes that are no text out with {field('encoding_errors', 'skip')}"
    if not before + first and points[0] == MARK and (other := without_mark(encoding)):
        hint = f"leave the byte order mark out with {field('encoding', other)}"
    return TextError(
        f"{name} has characters that the model never saw in training: {shown}{more}, "
        f"first at character {before + first} (line {line})",
        f"{hint}, or {skip}" if hint else skip,
    )


def known_otherwise(points: Ids, at: int, vocabulary: Vocabulary, file: bool) -> str:
    """How to write the character at `at`, which a vocabulary lacks, as one that it has; else nothing.

    file: whether a command can do it.
    """
    if vocabulary.level == "byte":
        return ""
    if points[at] == ord("\r"):
        return "make line ends \\n" + r": tr -d '\r' < FILE | charrnn ... -" * file
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
            return f"write it in the {kind} form ({form}) that the model knows{command}"
    return ""


def _composed(points: Ids) -> str:
    return unicodedata.normalize("NFC", "".join(map(chr, points)))


def to_bytes(text: str) -> bytes:
    """UTF-8, and for what `Vocabulary.decode` could not read as UTF-8 the very bytes."""
    return text.encode("utf-8", "surrogateescape")
