"""Checkpoints that other programs wrote back: NumPy's are read, others are refused with what helps."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from program import environment
from support import refused
from zips import as_numpy, spoil

from charrnn.checkpoint.reading import load


class Pipe:
    """What numpy.savez can write to, but not go back in."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> int:
        self.written += bytes(data)
        return len(data)

    def flush(self) -> None:
        pass

    def read(self) -> bytes:
        raise io.UnsupportedOperation


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def plainly(source: Path, path: Path) -> None:
    np.savez(path, **arrays(source))


def reversed_order(source: Path, path: Path) -> None:
    np.savez(path, **dict(reversed(arrays(source).items())))


def into_a_pipe(source: Path, path: Path) -> None:
    np.savez(pipe := Pipe(), **arrays(source))
    path.write_bytes(pipe.written)


def twice(source: Path, path: Path) -> None:
    plainly(source, path)
    plainly(path, path)


def into_an_open_file(source: Path, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays(source))


def from_memory(source: Path, path: Path) -> None:
    np.savez(buffer := io.BytesIO(), **arrays(source))
    path.write_bytes(buffer.getvalue())


def by_zipfile(source: Path, path: Path) -> None:
    """Stored, by Python: as charrnn does it, but for the dates."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, (2024, 2, 29, 12, 30, 6)), old.read(name))


WRITERS = [plainly, reversed_order, into_a_pipe, twice, into_an_open_file, from_memory, by_zipfile]


@pytest.mark.parametrize("write", WRITERS)
def test_what_numpy_wrote_back_is_read(write: Callable[[Path, Path], None], saved, tmp_path):
    write(saved, tmp_path / "b.npz")
    ours, theirs = load(saved), load(tmp_path / "b.npz")
    assert theirs.network.flat.tobytes() == ours.network.flat.tobytes()
    assert theirs.vocabulary.text == ours.vocabulary.text
    assert theirs.meta == ours.meta


@pytest.mark.parametrize("streamed", [False, True])
def test_the_hostile_files_start_from_what_numpy_writes(streamed, saved, tmp_path):
    """Bit for bit, but for what nobody reads: made_by and the attributes of files."""
    (into_a_pipe if streamed else plainly)(saved, tmp_path / "b.npz")
    written = (tmp_path / "b.npz").read_bytes()
    made = spoil(saved.read_bytes(), lambda zip_: as_numpy(zip_, streamed))
    start = written.index(b"PK\1\2")
    assert made[:start] == written[:start]
    assert len(made) == len(written)


def with_extra_fields(source: Path, path: Path) -> None:
    """As `zip -0` adds times and owners."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name)
            info.extra = b"UT\5\0\1\0\0\0\0"
            new.writestr(info, old.read(name))


def deflated(source: Path, path: Path) -> None:
    """As `zip` does it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)


OTHERS = {
    "compressed": lambda source, path: np.savez_compressed(path, **arrays(source)),
    "is compressed": deflated,
    "not stored in the way of charrnn or NumPy": with_extra_fields,
}


@pytest.mark.parametrize("words", OTHERS)
@pytest.mark.parametrize("name", ["b.npz", "it's a $HOME model.npz"])
def test_what_else_is_refused_with_a_line_that_mends_it(words, name, saved, tmp_path):
    """The line is run by a shell, as a reader would."""
    OTHERS[words](saved, tmp_path / name)
    message = refused(tmp_path / name, words)
    line = message.partition("convert it with NumPy: python ")[2]
    shell = shutil.which("bash") or "sh"
    subprocess.run([shell, "-c", f"{sys.executable} {line}"], cwd=tmp_path, env=environment(), check=True)
    assert load(tmp_path / "stored.npz").network.flat.tobytes() == load(saved).network.flat.tobytes()


def test_an_encrypted_file_is_called_so(saved, tmp_path):
    def change(zip_) -> None:
        as_numpy(zip_)
        zip_["meta"].central["flags"] = zip_["meta"].local["flags"] = 1

    (tmp_path / "b.npz").write_bytes(spoil(saved.read_bytes(), change))
    assert "convert it" not in refused(tmp_path / "b.npz", "encrypted")
