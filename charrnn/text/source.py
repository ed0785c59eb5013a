"""Read the bytes of a file: decompressed according to its content, not its name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import TextError
from ..system.stdio import STDIO, name_of
from .kinds import is_begun, packer, shell_name
from .notes import Notes

Digest = Callable[[bytes], object]

BLOCK = 1 << 20  # bytes read at a time
OPENERS: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
ENDINGS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".lzma": "xz"}


@dataclass
class Source:
    """A file to read."""

    path: Path
    notes: Notes
    packed: str = ""  # the program it was compressed with, known once reading starts

    @property
    def name(self) -> str:
        """The name to use in messages."""
        return name_of(self.path)

    def through(self, *filters: str) -> str:
        """Return a shell command that pipes the file through filters into charrnn."""
        file = shell_name(self.path)
        first, *others = [f"{self.packed} -dc", *filters] if self.packed else filters
        return " | ".join([f"{first} < {file}", *others, "charrnn ... -"])

    def blocks(self, digest: Digest | None = None) -> Iterator[bytes]:
        """Yield decompressed blocks, from a pipe as they come.  digest: gets each one.  Errors: TextError."""
        try:
            with self._opened() as file:
                # read1 returns what a pipe has so far, so that lines can be answered one by one
                read = getattr(file, "read1", file.read) if self.path == STDIO else file.read
                head = read(BLOCK)
                while is_begun(head) and (more := read(BLOCK)):
                    head += more
                yield from _digested(self._unpacked(head, read), digest)
        except FileNotFoundError:
            raise TextError(f"there is no file {self.path}", "check the path") from None
        except IsADirectoryError:
            raise TextError(f"{self.path} is a folder", "choose a text file in it") from None
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            system = getattr(error, "strerror", None)  # otherwise the decompressor complains
            remedy = "check its permissions" if system else "it is damaged or cut short: get a new copy"
            raise TextError(f"{self.name} cannot be read: {system or error}", remedy) from None

    def _opened(self) -> Any:
        return sys.stdin.buffer if self.path == STDIO else self.path.open("rb")

    def _unpacked(self, head: bytes, read: Callable[[int], bytes]) -> Iterator[bytes]:
        self.packed, promised = packer(head), ENDINGS.get(self.path.suffix.lower(), "")
        if self.packed:
            with OPENERS[self.packed](_Rejoined(head, read), "rb") as unpacked:
                read = unpacked.read1 if self.path == STDIO else unpacked.read
                while block := read(BLOCK):
                    yield block
            return
        if promised and head:
            self.notes.add(
                "name",
                f"{self.name} is not compressed with {promised}, despite its name; it is read unchanged",
            )
        while head:
            yield head
            head = read(BLOCK)


def _digested(blocks: Iterator[bytes], digest: Digest | None) -> Iterator[bytes]:
    for block in blocks:
        if digest:
            digest(block)
        yield block


class _Rejoined:
    """A stream whose beginning, already read, is read again."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]):
        self._head, self._read = head, read

    def read(self, size: int) -> bytes:
        block, self._head = self._head[:size], self._head[size:]
        return block or self._read(size)
