"""Arrays in .npz files: written so that a crash leaves a whole file, read as if from an enemy."""

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

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of a zip: the same arrays are the same bytes
LARGEST = 2_000_000_000  # bytes of arrays: beyond, zip needs a 64-bit form, which is written but not read
LONGEST_HEADER = 4096  # bytes that describe an array
LONGEST_ENTRY = 128  # bytes of a member in the directory, its name among them
MOST_MEMBERS = 10_000
VERSION = 20  # of the zip format, as `write` has it
NUMPYS_VERSION = 45  # as numpy.savez has it, with sizes in 64 bits where a member starts
STREAMED, ENCRYPTED = 8, 1  # flags of a member: checksum and sizes stand behind it; it needs a password
DTYPES = ("|u1", "<u4", "<f4", "<f8")
NAME = re.compile(rb"[a-z][a-z0-9_.]*\.npy")
# format 1.0 of NumPy's arrays, exactly as NumPy writes it; read by this, so that nothing is evaluated
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([^']{3})', 'fortran_order': False, "
    rb"'shape': \((|%(n)s,|%(n)s(?:, %(n)s)+)\), \} *\n" % {b"n": rb"(?:0|[1-9]\d{0,11})"},
    re.DOTALL,
)
END = struct.Struct("<4s4H2LH")  # the last bytes of a zip
ENTRY = struct.Struct("<4s6H3L5H2L")  # a member in its directory, before the name
LOCAL = struct.Struct("<4s5H3L2H")  # where a member starts, before the name
EXTRA = struct.Struct("<HHQQ")  # behind the name: sizes in 64 bits, id 1
DESCRIPTOR = struct.Struct("<4sLQQ")  # behind the array: checksum, sizes
IN_64_BITS = 0xFFFFFFFF  # in place of a size that stands elsewhere


def write(path: Path, arrays: Mapping[str, Array], lacking: set[str] | None = None) -> None:
    """Write beside `path`, flush to the disk, then rename over it.  lacking: see `replacing`.

    Errors: OSError; `path` is then as it was, and nothing is left beside it.
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
    """A zip that other programs may read, and can write anew in the form that is read here."""


class Entry(NamedTuple):
    """What a zip's directory says of a member, field by field."""

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
    """An array that a file says it holds: known and checked, but not read."""

    shape: tuple[int, ...]
    dtype: str
    header: bytes  # what stands before its data
    start: int  # of its data in the file
    crc: int  # of header and data

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def members(file: IO[bytes]) -> dict[str, Member]:
    """What a .npz holds, by name.  Reads headers alone.

    Errors: ValueError for anything but stored arrays of numbers, one behind the other, that fill the file.
    Python's zipfile is lenient where readers disagree, so it is not asked.
    """
    directory, count, directory_start = _directory(file)
    found: dict[str, Member] = {}
    end = 0
    for fields, full_name in _entries(directory, count):
        shown, entry = ascii(full_name.decode("latin-1")), Entry._make(ENTRY.unpack(fields))
        name = full_name.decode("latin-1").removesuffix(".npy")
        if name in found or not NAME.fullmatch(full_name):
            raise ValueError(f"its member {shown} is there twice or is no array")
        _check_packing(entry, shown)
        if entry.start != end:
            raise ValueError(f"there is a gap or an overlap before its member {shown}")
        start, behind = _around(entry, full_name)
        file.seek(end)
        if entry.disk or file.read(len(start)) != start:
            raise ValueError(f"its member {shown} is not what the directory says, or says more")
        found[name] = _member(file, shown, entry)
        file.seek(end + len(start) + entry.size)
        if file.read(len(behind)) != behind:
            raise ValueError(f"its member {shown} does not end as the directory says")
        end += len(start) + entry.size + len(behind)
    if end != directory_start:
        raise ValueError("there is something between its arrays and its directory")
    return found


def _check_packing(entry: Entry, shown: str) -> None:
    """Errors: ValueError unless a member is stored in one of the forms that are read."""
    if entry.flags & ENCRYPTED:
        raise ValueError(f"its member {shown} is encrypted")
    if entry.method:
        raise OtherPacking(f"its member {shown} is compressed")
    numpys = entry.needed == NUMPYS_VERSION and entry.flags in (0, STREAMED)
    ours = entry.needed == VERSION and not entry.flags
    if entry.extra or entry.comment or not (ours or numpys):
        raise OtherPacking(f"its member {shown} is packed as neither charrnn nor NumPy does it")
    if entry.stored != entry.size:
        raise ValueError(f"its member {shown} is stored in {entry.stored:,} bytes, not {entry.size:,}")


def _around(entry: Entry, name: bytes) -> tuple[bytes, bytes]:
    """The very bytes before and behind a member's array, by what the directory says of it.

    numpy.savez says the sizes again in 64 bits, into a pipe behind the array.  Nothing is taken from there:
    it must be what the directory says, so that no two readers can differ.
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
    """The zip's directory, its number of entries, and where it starts."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - END.size))
    last = file.read(END.size)
    if len(last) < END.size or not last.startswith(b"PK\5\6"):
        raise ValueError("it is no .npz file, or not the whole of one")
    _, disk, first, here, count, length, start, comment = END.unpack(last)
    if disk or first or comment or here != count or start + length + END.size != size:
        raise ValueError("its directory is not where the file ends, or is not all of it")
    if count > MOST_MEMBERS or length > count * LONGEST_ENTRY:
        raise ValueError(f"it has {count} members with {length} bytes of names")
    file.seek(start)
    return file.read(length), count, start


def _entries(directory: bytes, count: int) -> Iterator[tuple[bytes, bytes]]:
    """The fields and the name of each entry."""
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
        raise ValueError("its directory has another length than its entries")


def _member(file: IO[bytes], shown: str, entry: Entry) -> Member:
    """The member whose array starts here in the file."""
    start = file.tell()
    header = file.read(min(entry.size, LONGEST_HEADER))
    described = HEADER.match(header)
    if not described or described[1].decode() not in DTYPES:
        raise ValueError(f"its member {shown} is no array that a checkpoint can hold")
    shape = tuple(int(size) for size in described[2].decode().split(",") if size.strip())
    header = described[0]
    member = Member(shape, described[1].decode(), header, start + len(header), entry.crc)
    length = int.from_bytes(header[8:10], "little")
    if length != len(header) - 10 or len(header) + member.nbytes != entry.size:
        raise ValueError(f"its member {shown} has not the size of {member.dtype} {shape}")
    return member


def read(file: IO[bytes], member: Member) -> Array:
    """The array of a member.  Errors: ValueError if the file ends too early or its checksum is another."""
    file.seek(member.start)
    array = np.empty(member.shape, member.dtype)
    if file.readinto(array.reshape(-1).view(np.uint8)) != member.nbytes:  # type: ignore[attr-defined]
        raise ValueError("the file ends before its arrays do")
    if zlib.crc32(array.reshape(-1).data, zlib.crc32(member.header)) != member.crc:
        raise ValueError("an array is damaged: its checksum is another")
    return array
