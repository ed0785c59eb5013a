"""Read files made by a test, and run the commands that messages suggest."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from charrnn.errors import TextError
from charrnn.text import corpus
from charrnn.text.notes import Notes


def written(folder: Path, data: bytes, name: str = "x.txt") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def read(path: Path, **options: str) -> tuple[str, list[str]]:
    """The text of a file, and the notes of it."""
    notes = Notes()
    found = corpus.load([path], notes=notes, **options)  # type: ignore[arg-type]
    return found.vocabulary.decode(found.ids), [*notes]


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(TextError) as caught:
        read(path, **options)
    return str(caught.value)


def printed(command: str) -> bytes:
    """Return what a suggested command pipes to charrnn."""
    assert command.endswith(" | charrnn ... -")
    line = command.removesuffix(" | charrnn ... -")
    return subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
