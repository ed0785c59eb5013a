"""Files as blocks of characters: plain or compressed, decoded exactly, or refused with their name."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..array_types import Ids
from ..errors import TextError, field
from ..system.stdio import STDIO, name_of
from .vocabulary import code_points

Digest = Callable[[bytes], object]

BLOCK = 1 << 20  # bytes read at a time
ZIP = b"PK\x03\x04"  # how archives begin, checkpoints among them
OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def refuse_unreadable(paths: Sequence[Path]) -> None:
    """Read the start of each, but nothing of what can be read only once, as a pipe.  Errors: as `load`."""
    for path in paths:
        read_once = path == STDIO or path.is_fifo() or path.is_char_device()
        if not read_once:
            next(_bytes(path), None)


def blocks(path: Path, encoding: str, level: str, digest: Digest | None = None) -> Iterator[Ids]:
    """A file's code points or bytes, about a million at a time; digest: called with what is read."""
    if level == "byte":
        return (np.frombuffer(block, np.uint8) for block in _bytes(path, digest))
    return (code_points(block) for block in _decoded(path, encoding, digest))


def _bytes(path: Path, digest: Digest | None = None) -> Iterator[bytes]:
    try:
        with _open(path) as file:
            # what a pipe brings as it comes, for whoever answers line by line
            read = getattr(file, "read1", file.read) if path == STDIO else file.read
            while block := read(BLOCK):
                if digest:
                    digest(block)
                yield block
    except FileNotFoundError:
        raise TextError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise TextError(f"{path} is a folder", "name a text file in it") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        system = getattr(error, "strerror", None)  # else what unpacks it complains
        remedy = "check that it may be read" if system else "it is damaged or cut short: get it again"
        raise TextError(f"{name_of(path)} cannot be read: {system or error}", remedy) from None


def _open(path: Path) -> Any:
    if path == STDIO:
        return sys.stdin.buffer
    opened: Any = OPENERS.get(path.suffix, open)(path, "rb")
    return opened


def _decoded(path: Path, encoding: str, digest: Digest | None) -> Iterator[str]:
    """The text of a file exactly as it is: no newline is translated, no mark removed."""
    try:
        "".encode(encoding)  # refuses what is no encoding of text, such as base64
        decoder = codecs.getincrementaldecoder(encoding)("strict")
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        raise TextError(
            f"there is no encoding {encoding!r}", "for example utf-8, latin-1, shift-jis"
        ) from None
    offset = lines = 0
    for block in _bytes(path, digest):
        if not offset and block.startswith(ZIP):
            kind = "a checkpoint" if path.suffix == ".npz" else "a zip archive"
            raise TextError(f"{name_of(path)} is {kind}, not a text", "name a text file")
        pending = len(decoder.getstate()[0])
        try:
            yield decoder.decode(block)
        except UnicodeDecodeError as error:
            raise _not_text(path, encoding, error, offset - pending, lines) from None
        except UnicodeError as error:
            raise TextError(
                f"{name_of(path)} is not {encoding.upper()}: {error}", f"name its {field('encoding')}"
            ) from None
        offset += len(block)
        lines += block.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_text(path, encoding, error, offset - len(error.object), lines) from None


def _not_text(path: Path, encoding: str, error: UnicodeDecodeError, base: int, lines: int) -> TextError:
    line = lines + error.object.count(b"\n", 0, error.start) + 1
    return TextError(
        f"{name_of(path)} is not {encoding.upper()}: byte 0x{error.object[error.start]:02x}"
        f" at offset {base + error.start} (line {line})",
        f"name its {field('encoding')}, or convert it, for example with: iconv -f LATIN1 -t UTF-8",
    )
