"""Recognize files that are not text by how they begin, and suggest how to extract their text."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from ..system.stdio import STDIO
from .encodings import MARKS as WIDE_MARKS

OFFICE = (".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp")
OFFICE_PARTS = (b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis", b"word/document.xml")
NAME_A_TEXT = "choose a text file"
SAVE_AS_TEXT = "save or export it as a text file first"
UNPACK_FIRST = "unpack it first, then choose a text file in it"
LFS = b"version https://git-lfs.github.com/spec/v1"


class Kind(NamedTuple):
    """A kind of file that is not text."""

    name: str  # with its article
    command: str = ""  # prints the text in the file, for which {} stands
    remedy: str = NAME_A_TEXT  # if there is no such command

    def advice(self, path: Path) -> str:
        """Return how to get at the text in a file."""
        remedy, command = self.remedy, self.command.format(shell_name(path))
        return f"extract its text and pipe it in: {command} | charrnn ... -" if command else remedy


# compressed single files, which are decompressed on the fly
BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")  # a first block, or the end of an empty file
PACKED = {
    b"\x1f\x8b\x08": "gzip",
    **{b"BZh%d" % level + block: "bzip2" for level in range(1, 10) for block in BZIP2_BLOCKS},
    b"\xfd7zXZ\0": "xz",
    # .lzma, the predecessor of .xz: its dictionary has 2^n or 3 * 2^n bytes
    **{b"\x5d" + (k << bit).to_bytes(4, "little"): "xz" for bit in range(15, 30) for k in (2, 3)},
}

IMAGE, TAR = "an image", "a tar archive"
KINDS: dict[bytes, Kind] = {
    b"\x28\xb5\x2f\xfd": Kind("a zstd file", "zstd -dc < {}"),
    b"\x1f\x9d": Kind("a .Z file (compress)", "gzip -dc < {}"),
    b"\x04\x22\x4d\x18": Kind("an lz4 file", remedy=UNPACK_FIRST),
    b"7z\xbc\xaf\x27\x1c": Kind("a 7z archive", remedy=UNPACK_FIRST),
    b"Rar!\x1a\x07": Kind("a rar archive", remedy=UNPACK_FIRST),
    b"%PDF-": Kind("a PDF file", "pdftotext {} -"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": Kind("an office document", remedy=SAVE_AS_TEXT),
    b"\x89PNG\r\n\x1a\n": Kind(f"{IMAGE} (PNG)"),
    b"\xff\xd8\xff": Kind(f"{IMAGE} (JPEG)"),
    b"II*\0": Kind(f"{IMAGE} (TIFF)"),
    b"MM\0*": Kind(f"{IMAGE} (TIFF)"),
    b"\x7fELF": Kind("a program"),
    b"\xcf\xfa\xed\xfe": Kind("a program"),
    b"\xca\xfe\xba\xbe": Kind("a program"),
    b"\0asm": Kind("a program"),
    b"\x1aE\xdf\xa3": Kind("a video"),
    b"\x89HDF\r\n\x1a\n": Kind("an HDF5 file"),
    b"\x93NUMPY": Kind("a NumPy array"),
    b"SQLite format 3\0": Kind("a database"),
}
# these begin with letters: a NUL must follow soon
IN_LETTERS: dict[bytes, Kind] = {
    b"GIF87a": Kind(f"{IMAGE} (GIF)"),
    b"GIF89a": Kind(f"{IMAGE} (GIF)"),
    b"BM": Kind(f"{IMAGE} (BMP)"),
    b"RIFF": Kind("an image, audio or video file"),
    b"OggS": Kind("an audio file"),
    b"fLaC": Kind("an audio file"),
    b"ID3": Kind("an audio file"),
    b"MZ": Kind("a program"),
    b"PAR1": Kind("a Parquet file"),
}


def is_begun(head: bytes) -> bool:
    """Return whether these bytes may be the start of a mark, so that more must be read."""
    marks = (*PACKED, *KINDS, b"PK\3\4", *WIDE_MARKS)
    return any(len(head) < len(mark) and mark.startswith(head) for mark in marks)


def packer(head: bytes) -> str:
    """Return what compressed a file with this beginning: gzip, bzip2, xz or an empty string."""
    return next((name for mark, name in PACKED.items() if head.startswith(mark)), "")


def kind(head: bytes, path: Path, packed: str = "") -> Kind | None:
    """Return what a file is if it is certainly not text.  packed: the program it was compressed with."""
    found = _kind(head, path)
    if found and packed and found.name != TAR:  # tar decompresses by itself
        command = f"{packed} -dc < {shell_name(path)}"
        return Kind(
            f"{found.name}, compressed with {packed}", remedy=f"unpack it first: {command} > UNPACKED"
        )
    return found


def _kind(head: bytes, path: Path) -> Kind | None:
    if name := packer(head):
        return Kind(f"{name} data")
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _zip(head, path)
    if head.startswith(LFS):
        return Kind("a Git LFS pointer", remedy="fetch the file with: git lfs pull")
    if _is_tar(head):
        return Kind(TAR, "tar -xOf {}")
    if head[4:8] == b"ftyp" and b"\0" in head[:4]:
        return Kind("an image or video file")
    letters = b"\0" in head[:64]
    marks = {**KINDS, **IN_LETTERS} if letters else KINDS
    return next((found for mark, found in marks.items() if head.startswith(mark)), None)


def _zip(head: bytes, path: Path) -> Kind:
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if path.suffix == ".npz" or first.endswith(b".npy"):
        return Kind("a checkpoint")
    if path.suffix.lower() in OFFICE or any(part in head for part in OFFICE_PARTS):
        return Kind("an office document", remedy=SAVE_AS_TEXT)
    if b"mimetypeapplication/epub" in head[:100]:
        return Kind("an e-book (EPUB)", remedy=SAVE_AS_TEXT)
    return Kind("a zip archive", "unzip -p {}")


def _is_tar(head: bytes) -> bool:
    """Verify the checksum of the first 512 bytes, with its own eight bytes counted as spaces."""
    header = head[:512]
    try:
        said = int(header[148:156].strip(b"\0 ") or b"0", 8)
    except ValueError:
        return False
    return len(header) == 512 and said > 0 and said == sum(header[:148]) + 8 * 32 + sum(header[156:])


def shell_name(path: Path) -> str:
    """Return a file's name quoted for a shell, or FILE for stdin."""
    return "FILE" if path == STDIO else shlex.quote(str(path))
