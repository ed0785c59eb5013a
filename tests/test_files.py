"""Files that are not what they seem: told by how they begin, and never read as noise in silence."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
import zipfile

import pytest
from languages import PLAIN
from reading import printed, read, refusal, written

from charrnn.text import corpus, source
from charrnn.text.notes import Notes


def tar(form: int, mode: str = "w:") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(PLAIN)
        archive.addfile(entry, io.BytesIO(PLAIN.encode()))
    return file.getvalue()


def zipped(name: str, mode: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", mode) as archive:
        archive.writestr(name, PLAIN)
    return file.getvalue()


def lzma_alone(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def packed_by_compress(data: bytes) -> bytes:
    """LZW as compress(1) writes it, of single characters only, up to 255 of them."""
    bits = sum(byte << 9 * at for at, byte in enumerate(data))
    return b"\x1f\x9d\x90" + bits.to_bytes((9 * len(data) + 7) // 8, "little")


@pytest.mark.parametrize("name", ["x.GZ", "x", "x.txt", "x.xz"])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lzma_alone])
@pytest.mark.parametrize("block", [1, 3, source.BLOCK])
@pytest.mark.parametrize("level", ["char", "byte"])
def test_packed_texts_are_unpacked_whatever_their_name(tmp_path, monkeypatch, name, pack, block, level):
    monkeypatch.setattr(source, "BLOCK", block)
    text, notes = read(written(tmp_path, pack(PLAIN[:300].encode()), name), level=level)
    assert (text, notes) == (PLAIN[:300], [])


@pytest.mark.parametrize("name", ["x.gz", "x.BZ2", "x.xz"])
def test_a_plain_text_with_the_name_of_a_packed_one_is_read_and_said_to_be_plain(tmp_path, name):
    text, (note,) = read(written(tmp_path, PLAIN.encode(), name))
    assert text == PLAIN
    assert f"{name} is not compressed" in note


USTAR, GNU, PAX = tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT
# what is refused: (name, content, what it is, a part of the remedy)
REFUSED = [
    ("x.tar", tar(USTAR), "a tar archive", "tar -xOf"),
    ("x", tar(GNU), "a tar archive", "tar -xOf"),
    ("x.txt", tar(PAX), "a tar archive", "tar -xOf"),
    ("x.tgz", tar(USTAR, "w:gz"), "a tar archive", "tar -xOf"),
    ("x.tar.xz", tar(USTAR, "w:xz"), "a tar archive", "tar -xOf"),
    ("x.zip", zipped("a.txt"), "a zip archive", "unzip -p"),
    ("x.txt", zipped("a.txt", zipfile.ZIP_STORED), "a zip archive", "unzip -p"),
    ("x.docx", zipped("word/document.xml"), "an office document", "text file"),
    ("x", zipped("[Content_Types].xml"), "an office document", "text file"),
    ("x", zipped("meta.npy"), "a checkpoint", "text file"),
    ("x.gz", gzip.compress(gzip.compress(PLAIN.encode())), "gzip data, compressed with gzip", "gzip -dc <"),
    ("x.gz", gzip.compress(zipped("a.txt")), "a zip archive, compressed with gzip", "gzip -dc <"),
    ("x.Z", packed_by_compress(PLAIN[:200].encode()), "a .Z file (compress)", "gzip -dc <"),
    ("x.zst", b"\x28\xb5\x2f\xfd\x24\0\0", "a zstd file", "zstd -dc <"),
    ("x.7z", b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "unpack it"),
    ("x.rar", b"Rar!\x1a\x07\1\0", "a rar archive", "unpack it"),
    ("x", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "a PDF file", "pdftotext"),
    ("x.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document", "text file"),
    ("x", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image (PNG)", "text file"),
    ("x", b"\xff\xd8\xff\xe0\0\x10JFIF\0", "an image (JPEG)", "text file"),
    ("x", b"GIF89a\1\0\1\0\0\0\0", "an image (GIF)", "text file"),
    ("x", b"\x7fELF\2\1\1\0", "a program", "text file"),
    (
        "x.txt",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "a Git LFS pointer",
        "git lfs pull",
    ),
    (
        "dos.txt",
        b"version https://git-lfs.github.com/spec/v1\r\noid sha256:4d7a\r\nsize 12345\r\n",
        "a Git LFS pointer",
        "git lfs pull",
    ),
]


@pytest.mark.parametrize("name, data, what, remedy", REFUSED, ids=[f"{r[2]}-{r[0]}" for r in REFUSED])
def test_what_is_no_text_is_refused_by_name_but_is_bytes_all_the_same(tmp_path, name, data, what, remedy):
    path = written(tmp_path, data, name)
    for encoding in ("utf-8", "latin-1"):
        message = refusal(path, encoding=encoding)
        assert f"{name} is {what}" in message and remedy in message
    bytes_of_it, notes = corpus.load([path], level="byte", notes=(said := Notes())), [*said]
    assert len(bytes_of_it.ids)
    assert any(f"{name} is {what}" in note for note in notes)


@pytest.mark.parametrize(
    "start",
    ["GIF89a is a format\n", "PK is a name\n", "BM, MZ\n", "BZh9 is how\n", "7z x\n", "%PD\n", "ID3 v2\n"],
)
def test_texts_that_begin_like_something_else_are_texts(tmp_path, start):
    assert read(written(tmp_path, (start + PLAIN).encode())) == (start + PLAIN, [])


@pytest.mark.skipif(not shutil.which("tar"), reason="needs tar")
@pytest.mark.parametrize("name, mode", [("x.tar", "w:"), ("x y.tgz", "w:gz")])
def test_the_command_for_a_tar_archive_prints_its_text(tmp_path, name, mode):
    message = refusal(written(tmp_path, tar(GNU, mode), name))
    assert printed(message.partition("pipe it in: ")[2]) == PLAIN.encode()


@pytest.mark.skipif(not shutil.which("gzip"), reason="needs gzip")
def test_the_command_for_a_file_of_compress_prints_its_text(tmp_path):
    message = refusal(written(tmp_path, packed_by_compress(PLAIN[:200].encode()), "x.Z"))
    assert printed(message.partition("pipe it in: ")[2]) == PLAIN[:200].encode()


@pytest.mark.skipif(not shutil.which("zstd"), reason="needs zstd")
def test_the_command_for_a_zstd_file_prints_its_text(tmp_path):
    data = subprocess.run(["zstd", "-c"], input=PLAIN.encode(), capture_output=True, check=True).stdout
    message = refusal(written(tmp_path, data, "x.zst"))
    assert printed(message.partition("pipe it in: ")[2]) == PLAIN.encode()


@pytest.mark.skipif(not shutil.which("unzip"), reason="needs unzip")
def test_the_command_for_a_zip_archive_prints_its_text(tmp_path):
    message = refusal(written(tmp_path, zipped("a.txt"), "x.zip"))
    assert printed(message.partition("pipe it in: ")[2]) == PLAIN.encode()


@pytest.mark.parametrize("preset", range(10))
def test_the_older_form_of_xz_is_known_with_any_dictionary(preset, tmp_path):
    path = tmp_path / "text.lz"
    path.write_bytes(lzma.compress(b"plain text\n" * 9, lzma.FORMAT_ALONE, preset=preset))
    assert corpus.load([path]).vocabulary.text == "\n aeilnptx"
