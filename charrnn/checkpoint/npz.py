"""Arrays in .npz files: written so that a crash leaves a whole file, read without trusting any byte."""

from __future__ import annotations

import errno
import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ..array_types import Array
from ..system.atomic import replacing

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of a zip; a fixed date, so that the same arrays give the same bytes
LARGEST = 2_000_000_000  # bytes of arrays: above, zip files need a 64-bit form, which cannot be read here
LONGEST_HEADER = 4096  # bytes of an array's header
LONGEST_ENTRY = 128  # bytes of a member in the directory, including its name
MOST_MEMBERS = 10_000
VERSION = 20  # of the zip format, in files of `write`
NUMPYS_VERSION = 45  # in files of numpy.savez, with 64-bit sizes where a member starts
STREAMED, ENCRYPTED = 8, 1  # flags of a member: checksum and sizes follow it; it needs a password
DTYPES = ("|u1", "<u4", "<f4", "<f8")
NAME = re.compile(rb"[a-z][a-z0-9_.]*\.npy")
# format 1.0 of NumPy arrays, exactly as NumPy writes it; a pattern evaluates nothing
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([^']{3})', 'fortran_order': False, "
    rb"'shape': \((|%(n)s,|%(n)s(?:, %(n)s)+)\), \} *\n" % {b"n": rb"(?:0|[1-9]\d{0,11})"},
    re.DOTALL,
)
END = struct.Struct("<4s4H2LH")  # the last bytes of a zip
ENTRY = struct.Struct("<4s6H3L5H2L")  # a member in its directory, before the name
LOCAL = struct.Struct("<4s5H3L2H")  # where a member starts, before the name
EXTRA = struct.Struct("<HHQQ")  # after the name: 64-bit sizes, id 1
DESCRIPTOR = struct.Struct("<4sLQQ")  # after the array: checksum, sizes
IN_64_BITS = 0xFFFFFFFF  # in place of a size that is stored elsewhere


def write(path: Path, arrays: Mapping[str, Array], lacking: set[str] | None = None) -> None:
    """Write next to `path`, flush to the disk, then rename over it.  lacking: see `replacing`.

    Errors: OSError; `path` is then unchanged, and no other file is left.
    """
    if sum(array.nbytes for array in arrays.values()) > LARGEST:
        raise OSError(errno.EFBIG, f"more than {LARGEST:,} bytes")
    with replacing(path, lacking) as file:
        _write(file, arrays)


def _write(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", FIRST_DATE), member.getbuffer())


class OtherPacking(ValueError):
    """A valid zip in another form, which NumPy can convert to the one read here."""


class Entry(NamedTuple):
    """The fields of a member in the directory of a zip."""

    mark: bytes
    made_by: int
    needed: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    stored: int  # bytes
    size: int  # bytes
    name: int  # bytes of the name that follows
    extra: int
    comment: int
    disk: int
    inner: int
    outer: int
    start: int


@dataclass(frozen=True)
class Member:
    """An array in a file: its description is checked, but its data are not read yet."""

    shape: tuple[int, ...]
    dtype: str
    header: bytes  # the bytes before its data
    start: int  # where its data start in the file
    crc: int  # of header and data

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def members(file: IO[bytes]) -> dict[str, Member]:
    """Return the members of a .npz by name; only headers are read.

    Errors: ValueError for anything but stored arrays of numbers that follow each other and fill the file.
    Python's zipfile is not used, because it is lenient where zip readers disagree.
    """
    directory, count, directory_start = _directory(file)
    found: dict[str, Member] = {}
    end = 0
    for fields, full_name in _entries(directory, count):
        shown, entry = ascii(full_name.decode("latin-1")), Entry._make(ENTRY.unpack(fields))
        name = full_name.decode("latin-1").removesuffix(".npy")
        if name in found or not NAME.fullmatch(full_name):
            raise ValueError(f"its member {shown} is there twice or is not an array")
        _check_packing(entry, shown)
        if entry.start != end:
            raise ValueError(f"there is a gap or an overlap before its member {shown}")
        start, behind = _around(entry, full_name)
        file.seek(end)
        if entry.disk or file.read(len(start)) != start:
            raise ValueError(f"its member {shown} does not begin as the directory says")
        found[name] = _member(file, shown, entry)
        file.seek(end + len(start) + entry.size)
        if file.read(len(behind)) != behind:
            raise ValueError(f"its member {shown} does not end as the directory says")
        end += len(start) + entry.size + len(behind)
    if end != directory_start:
        raise ValueError("there are bytes between its arrays and its directory")
    return found


def _check_packing(entry: Entry, shown: str) -> None:
    """Raise ValueError unless a member is stored in a form that can be read here."""
    if entry.flags & ENCRYPTED:
        raise ValueError(f"its member {shown} is encrypted")
    if entry.method:
        raise OtherPacking(f"its member {shown} is compressed")
    numpys = entry.needed == NUMPYS_VERSION and entry.flags in (0, STREAMED)
    ours = entry.needed == VERSION and not entry.flags
    if entry.extra or entry.comment or not (ours or numpys):
        raise OtherPacking(f"its member {shown} is not stored in the way of charrnn or NumPy")
    if entry.stored != entry.size:
        raise ValueError(f"its member {shown} takes {entry.stored:,} bytes, not {entry.size:,}")


def _around(entry: Entry, name: bytes) -> tuple[bytes, bytes]:
    """Return the exact bytes that must precede and follow the array of a member, from its directory entry.

    numpy.savez repeats the sizes in 64 bits, in a pipe after the array. These copies are not used, but they
    must agree with the directory, so that all readers see the same file.
    """
    crc, size, stored, extra, behind = entry.crc, entry.size, entry.stored, b"", b""
    if entry.needed == NUMPYS_VERSION:
        told = (0, 0) if entry.flags else (size, stored)
        extra = EXTRA.pack(1, 16, *told)
        if entry.flags:
            behind = DESCRIPTOR.pack(b"PK\7\x08", crc, stored, size)
            crc = 0
        size = stored = IN_64_BITS
    told_first = (entry.needed, entry.flags, entry.method, entry.time, entry.date)
    start = LOCAL.pack(b"PK\3\4", *told_first, crc, stored, size, len(name), len(extra))
    return start + name + extra, behind


def _directory(file: IO[bytes]) -> tuple[bytes, int, int]:
    """Return the directory of a zip, its number of entries, and where it starts."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - END.size))
    last = file.read(END.size)
    if len(last) < END.size or not last.startswith(b"PK\5\6"):
        raise ValueError("it is not a .npz file, or is cut short")
    _, disk, first, here, count, length, start, comment = END.unpack(last)
    if disk or first or comment or here != count or start + length + END.size != size:
        raise ValueError("its directory is incomplete, or not at the end of the file")
    if count > MOST_MEMBERS or length > count * LONGEST_ENTRY:
        raise ValueError(f"it has too many members or names: {count:,} members in {length:,} bytes")
    file.seek(start)
    return file.read(length), count, start


def _entries(directory: bytes, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the fields and the name of each entry."""
    at = 0
    for _ in range(count):
        fields = directory[at : at + ENTRY.size]
        if len(fields) < ENTRY.size or not fields.startswith(b"PK\1\2"):
            raise ValueError("its directory is damaged")
        at += ENTRY.size
        length = Entry._make(ENTRY.unpack(fields)).name
        yield fields, directory[at : at + length]
        at += length
    if at != len(directory):
        raise ValueError("its directory is longer or shorter than its entries")


def _member(file: IO[bytes], shown: str, entry: Entry) -> Member:
    """Return the member whose array starts at the present position in the file."""
    start = file.tell()
    header = file.read(min(entry.size, LONGEST_HEADER))
    described = HEADER.match(header)
    if not described or described[1].decode() not in DTYPES:
        raise ValueError(f"its member {shown} is not an array that a checkpoint can hold")
    shape = tuple(int(size) for size in described[2].decode().split(",") if size.strip())
    header = described[0]
    member = Member(shape, described[1].decode(), header, start + len(header), entry.crc)
    length = int.from_bytes(header[8:10], "little")
    if length != len(header) - 10 or len(header) + member.nbytes != entry.size:
        raise ValueError(f"its member {shown} does not have the size of {member.dtype} {shape}")
    return member


def read(file: IO[bytes], member: Member) -> Array:
    """Read the array of a member.  Errors: ValueError if the file is too short or the checksum is wrong."""
    file.seek(member.start)
    array = np.empty(member.shape, member.dtype)
    if file.readinto(array.reshape(-1).view(np.uint8)) != member.nbytes:  # type: ignore[attr-defined]
        raise ValueError("the file ends before its arrays do")
    if zlib.crc32(array.reshape(-1).data, zlib.crc32(member.header)) != member.crc:
        raise ValueError("an array is damaged: its checksum is wrong")
    return array
