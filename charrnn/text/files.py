"""Read files as blocks of characters: decompressed and decoded exactly, or refused by name."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..array_types import Ids
from ..errors import TextError, field
from ..system.stdio import STDIO
from .encodings import DISGUISED, WIDE, decoded, disguised, fitting
from .kinds import kind
from .line_ends import LineEnds, mark_note
from .notes import Notes
from .source import Digest, Source
from .vocabulary import code_points

REPLACE, SKIP = "charrnn.replace", "charrnn.skip"  # as Python's replace and ignore, but counted
HANDLERS = {"strict": "strict", "replace": REPLACE, "skip": SKIP}


class _Bad(threading.local):
    bytes = 0  # undecodable ones so far


_BAD = _Bad()


def _counted(text: str) -> None:
    def handle(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        _BAD.bytes += error.end - error.start
        return text, error.end

    codecs.register_error(REPLACE if text else SKIP, handle)


_counted("\ufffd")
_counted("")


def refuse_unreadable(paths: Sequence[Path]) -> None:
    """Read the start of each file; skip what can be read only once, such as pipes.  Errors: as `load`."""
    for path in paths:
        read_once = path == STDIO or path.is_fifo() or path.is_char_device()
        if not read_once:
            next(Source(path, Notes()).blocks(), None)


def blocks(
    path: Path,
    encoding: str,
    level: str,
    digest: Digest | None = None,
    errors: str = "strict",
    notes: Notes | None = None,
) -> Iterator[Ids]:
    """Yield a file's code points or bytes, about a million at a time.

    digest: called with the bytes read.  errors: what to do with undecodable bytes: strict, replace (by
    U+FFFD) or skip.  notes: receives what the user should know about the file.
    """
    source = Source(path, Notes() if notes is None else notes)
    if level == "byte":
        return _bytes(source, digest)
    return (code_points(text) for text in _decoded(source, encoding, errors, digest))


def _bytes(source: Source, digest: Digest | None) -> Iterator[Ids]:
    """Yield the bytes of any file; a note says what a file is that is not text."""
    ends = LineEnds()
    for number, block in enumerate(source.blocks(digest)):
        if not number:
            if found := kind(block, source.path, source.packed):
                source.notes.add("kind", f"{source.name} is {found.name}: its bytes are read unchanged")
            if block.startswith(codecs.BOM_UTF8):
                source.notes.add("mark", mark_note(source, "bytes"))
        ends.see(block.decode("latin-1"))
        yield np.frombuffer(block, np.uint8)
    ends.tell(source, "bytes")


def _decoded(source: Source, encoding: str, errors: str, digest: Digest | None) -> Iterator[str]:
    """Yield the exact text of a file: no newline is translated, no byte order mark removed."""
    decoder, offset, lines = _decoder(encoding, errors), 0, 0
    bad, ends = 0, LineEnds()
    block = b""
    for block in source.blocks(digest):
        if not offset:
            _look(block, source, encoding)
        pending, before = len(decoder.getstate()[0]), _BAD.bytes
        text = _text(decoder, block, source, encoding, offset - pending, lines)
        if not offset and text.startswith("\ufeff"):
            source.notes.add("mark", mark_note(source, encoding))
        bad += _BAD.bytes - before
        ends.see(text)
        yield text
        offset += len(block)
        lines += block.count(b"\n")
    pending, before = len(decoder.getstate()[0]), _BAD.bytes
    if text := _text(decoder, b"", source, encoding, offset - pending, lines, block):
        yield text  # the replacement for a character that was cut short
    bad += _BAD.bytes - before
    ends.tell(source, encoding)
    if bad:
        were = "bytes were" if bad > 1 else "byte was"
        done = "replaced by U+FFFD" if errors == "replace" else "skipped"
        source.notes.add("bad", f"{source.name}: {bad:,} {were} not valid {encoding.upper()} and {done}")


def _decoder(encoding: str, errors: str) -> codecs.IncrementalDecoder:
    try:
        "".encode(encoding)  # rejects codecs that are not text encodings, such as base64
        return codecs.getincrementaldecoder(encoding)(HANDLERS[errors])
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        raise TextError(
            f"there is no encoding {encoding!r}", "use for example utf-8, latin-1 or shift-jis"
        ) from None


def _look(head: bytes, source: Source, encoding: str) -> None:
    """Check how a file begins.  Errors: TextError for a file that is not text, or in another encoding."""
    if found := kind(head, source.path, source.packed):
        raise TextError(f"{source.name} is {found.name}, not text", found.advice(source.path))
    asked = codecs.lookup(encoding).name
    if asked not in ("utf-8", "utf-8-sig") and not (decoded(head, "utf-8") or "").isascii():
        source.notes.add("utf-8", f"{source.name} is also valid UTF-8; it is read as {encoding.upper()}")
    name = disguised(head)
    if asked in DISGUISED and name not in WIDE:  # its byte order mark may be read as a character
        return
    if name and codecs.lookup(name).name != asked:
        raise TextError(
            f"{source.name} is {name.upper()}, not {encoding.upper()}", f"use {field('encoding', name)}"
        )


def _text(
    decoder: codecs.IncrementalDecoder,
    block: bytes,
    source: Source,
    encoding: str,
    base: int,
    lines: int,
    before: bytes = b"",
) -> str:
    """Decode a block or, if it is empty, what the decoder still holds.

    base: the offset of what the decoder holds.  before: the last block, if this one is empty.
    Errors: TextError that says where decoding fails.
    """
    try:
        return decoder.decode(block, final=not block)
    except UnicodeDecodeError as error:
        raise _not_text(source, encoding, error, base, lines, before) from None
    except UnicodeError as error:
        raise TextError(
            f"{source.name} is not valid {encoding.upper()}: {error}", f"use its {field('encoding')}"
        ) from None


def _not_text(
    source: Source, encoding: str, error: UnicodeDecodeError, base: int, lines: int, before: bytes
) -> TextError:
    line = lines + error.object.count(b"\n", 0, error.start) + 1
    around = before if before.endswith(error.object) else error.object
    other = fitting(around, len(around) - len(error.object) + error.start, encoding)
    lenient = f"replace such bytes with {field('encoding_errors', 'replace')}"
    return TextError(
        f"{source.name} is not valid {encoding.upper()}: byte 0x{error.object[error.start]:02x}"
        f" at offset {base + error.start} (line {line})",
        f"try {field('encoding', other)}, or {lenient}" if other else lenient,
    )
