"""Arrays in .npz files: written so that a crash leaves a whole file, read as if from an enemy."""

from __future__ import annotations

import io
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of a zip: the same arrays are the same bytes
LONGEST_HEADER = 4096  # bytes that describe an array
MOST_MEMBERS = 10_000
DTYPES = ("|u1", "<u4", "<f4", "<f8")
# format 1.0 of NumPy's arrays, exactly as NumPy writes it; read by this, so that nothing is evaluated
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([^']{3})', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,12}, ?)*(?:\d{1,12})?)\), \} *\n",
    re.DOTALL,
)
LOCAL_HEADER = 30  # bytes of a zip's local header, before the name and the extra field


def write(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write beside `path`, flush to the disk, then rename over it.

    Errors: OSError; `path` is then as it was, and nothing is left beside it.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's file is its owner's alone
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # some systems cannot flush a folder; the file is in its place already
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", FIRST_DATE), member.getbuffer())


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
    """
    with zipfile.ZipFile(file) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        if len(infos) > MOST_MEMBERS:
            raise ValueError(f"it has {len(infos)} members")
        found: dict[str, Member] = {}
        end = 0
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name in found or name == info.filename:
                raise ValueError(f"its member {info.filename!r} is there twice or is no array")
            if info.header_offset != end:
                raise ValueError(f"there is a gap or an overlap before its member {info.filename!r}")
            found[name], end = _member(file, info)
        if end != archive.start_dir:
            raise ValueError("there is something between its arrays and its directory")
    return found


def _member(file: IO[bytes], info: zipfile.ZipInfo) -> tuple[Member, int]:
    """A member, and where it ends in the file."""
    if (
        info.compress_type != zipfile.ZIP_STORED
        or info.flag_bits & 0x1
        or info.file_size != info.compress_size
    ):
        raise ValueError(f"its member {info.filename!r} is compressed or encrypted")
    file.seek(info.header_offset)
    local = file.read(LOCAL_HEADER)
    name_length, extra_length = struct.unpack("<HH", local[26:30])
    start = info.header_offset + LOCAL_HEADER + name_length + extra_length
    if file.read(name_length) != info.orig_filename.encode():
        raise ValueError(f"its member {info.filename!r} has another name where it starts")
    file.seek(start)
    header = file.read(min(info.file_size, LONGEST_HEADER))
    described = HEADER.match(header)
    if not described or described[1].decode() not in DTYPES:
        raise ValueError(f"its member {info.filename!r} is no array that a checkpoint can hold")
    shape = tuple(int(size) for size in described[2].decode().split(",") if size.strip())
    header = described[0]
    member = Member(shape, described[1].decode(), header, start + len(header), info.CRC)
    length = int.from_bytes(header[8:10], "little")
    if length != len(header) - 10 or len(header) + member.nbytes != info.file_size:
        raise ValueError(f"its member {info.filename!r} has not the size of {member.dtype} {shape}")
    return member, start + info.file_size


def read(file: IO[bytes], member: Member) -> Array:
    """The array of a member.  Errors: ValueError if the file ends too early or its checksum is another."""
    file.seek(member.start)
    array = np.empty(member.shape, member.dtype)
    if file.readinto(array.reshape(-1).view(np.uint8)) != member.nbytes:  # type: ignore[attr-defined]
        raise ValueError("the file ends before its arrays do")
    if zlib.crc32(array.reshape(-1).data, zlib.crc32(member.header)) != member.crc:
        raise ValueError("an array is damaged: its checksum is another")
    return array
