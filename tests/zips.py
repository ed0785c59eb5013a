"""Take zip files apart and reassemble them with any part replaced."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charrnn.checkpoint import npz

Change = Callable[["Zip"], Any]


@dataclass
class Part:
    """A member of a zip. `local` and `central` replace fields where it starts, and in the directory."""

    name: bytes
    data: bytes
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    before: bytes = b""
    extra: bytes = b""  # in the local header
    behind: bytes = b""  # the data
    listed: bool = True

    def entry(self, start: int, changes: dict[str, Any]) -> bytes:
        size, crc = len(self.data), zlib.crc32(self.data)
        sound = npz.Entry(
            *(b"PK\1\2", 0x314, 20, 0, 0, 0, 0x21, crc, size, size, len(self.name)),
            *(0, 0, 0, 0, 0o600 << 16, start),
        )
        return npz.ENTRY.pack(*sound._replace(**changes))


@dataclass
class Zip:
    """A zip file to spoil. `end` replaces fields of its end record, by their number."""

    parts: list[Part]
    before_directory: bytes = b""
    after_directory: bytes = b""
    end: dict[int, Any] = field(default_factory=dict)
    after: bytes = b""

    def __getitem__(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name.encode() + b".npy")

    def to_bytes(self) -> bytes:
        out, directory = io.BytesIO(), b""
        for part in self.parts:
            out.write(part.before)
            extra = {"extra": len(part.extra)} | part.local
            if part.listed:
                directory += part.entry(out.tell(), part.central) + part.name
            out.write(
                b"PK\3\4" + part.entry(0, extra)[6:32] + part.name + part.extra + part.data + part.behind
            )
        out.write(self.before_directory)
        count = sum(part.listed for part in self.parts)
        end = [b"PK\5\6", 0, 0, count, count, len(directory), out.tell(), 0]
        for place, value in self.end.items():
            end[place] = value
        out.write(directory + self.after_directory + npz.END.pack(*end) + self.after)
        return out.getvalue()


def npy(array: Any) -> bytes:
    """An array as a member holds it."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array))
    return out.getvalue()


def headed(descr: str, shape: str, data: bytes = b"", order: str = "False") -> bytes:
    """A member with a header of our own."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + data


def data(name: str, content: bytes | Callable[[bytes], bytes]) -> Change:
    def change(zip_: Zip) -> None:
        part = zip_[name]
        part.data = content(part.data) if callable(content) else content

    return change


def array(name: str, value: Any) -> Change:
    return data(name, npy(value))


def attributes(**values: Any) -> Change:
    return lambda zip_: [setattr(zip_, name, value) for name, value in values.items()] and None


def part(name: str, **values: Any) -> Change:
    return lambda zip_: [setattr(zip_[name], key, value) for key, value in values.items()] and None


def appended(*parts: Part) -> Change:
    return lambda zip_: zip_.parts.extend(parts)


def as_numpy(zip_: Zip, streamed: bool = False) -> None:
    """Like numpy.savez: 64-bit sizes in a member's local header or, in a pipe, after its data."""
    for one in zip_.parts:
        size, crc, sizes = len(one.data), zlib.crc32(one.data), dict.fromkeys(("size", "stored"), 0xFFFFFFFF)
        flags = {"needed": 45, "flags": 8 * streamed}
        told = (0, 0) if streamed else (size, size)
        one.extra, one.central = struct.pack("<HHQQ", 1, 16, *told), flags
        one.local = flags | sizes | ({"crc": 0} if streamed else {})
        one.behind = struct.pack("<4sLQQ", b"PK\7\x08", crc, size, size) if streamed else b""


def taken_apart(content: bytes) -> Zip:
    """A valid checkpoint as parts."""
    file = io.BytesIO(content)
    parts = []
    for name, member in npz.members(file).items():
        file.seek(member.start)
        parts.append(Part(f"{name}.npy".encode(), member.header + file.read(member.nbytes)))
    return Zip(parts)


def spoil(content: bytes, change: Change) -> bytes:
    """A valid checkpoint with one fault."""
    zip_ = taken_apart(content)
    change(zip_)
    return zip_.to_bytes()
