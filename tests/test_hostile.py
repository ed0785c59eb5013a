"""Files from strangers: refused in one line, in little memory; nothing in them is run or shown raw."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import hostile
import hostile_meta
import numpy as np
import pytest
import support
from program import PATIENCE, environment, run
from support import STEERING, refused
from zips import spoil

import charrnn
from charrnn.checkpoint import npz
from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.reading import load
from charrnn.checkpoint.writing import save
from charrnn.cli.info import for_people, lines
from charrnn.cli.output import visible
from charrnn.errors import CheckpointError
from charrnn.text.vocabulary import Vocabulary

SLACK = 16 << 20  # bytes of memory, beside twice the file
LINUX = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured as Linux tells it")

# Loads every file in a process of its own; prints the error, and how far the memory grew.
# argv: a sound checkpoint, by which all is imported, then the files
LOADER = """
import json, os, sys
from pathlib import Path
from charrnn.checkpoint.reading import load
from charrnn.errors import CheckpointError

def kib(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))

load(Path(sys.argv[1]))
for name in sys.argv[2:]:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        continue
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest
    before, error = kib("VmRSS"), ""
    try:
        loaded = load(Path(name))
    except CheckpointError as wrong:
        error = str(wrong)
    print(json.dumps([error, (kib("VmHWM") - before) * 1024]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "sound.npz"
    path.write_bytes(hostile.sound())
    return path


def loaded(sound: Path, paths: Sequence[Path]) -> list[tuple[str, int]]:
    """The error of each file and the bytes that loading it took.  stdin is a pipe that stays open."""
    program = [sys.executable, "-c", LOADER, str(sound), *map(str, paths)]
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            program, stdin=reading, capture_output=True, env=environment(), timeout=PATIENCE, check=True
        )
    finally:
        os.close(reading)
        os.close(writing)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_corpus_starts_from_a_sound_file(sound):
    again = spoil(sound.read_bytes(), lambda zip_: None)
    assert again == sound.read_bytes()
    assert load(sound).meta["progress"]["step"] == 7
    assert len(hostile.FILES) >= 60


@pytest.mark.parametrize("wrong", hostile.FILES)
def test_a_hostile_file_is_refused(wrong, sound, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.npz"
    path.write_bytes(spoil(sound.read_bytes(), hostile.FILES[wrong]))
    message = refused(path)
    assert message.isprintable()
    assert [file.name for file in tmp_path.iterdir()] == ["m.npz"], "something in it was run"


@pytest.mark.parametrize(
    "wrong, reason",
    [
        ("12,000 members", "12,012 members"),
        ("a name of 60,000 characters", "too many members or names"),
        ("a vocabulary of 40 MB", "its vocabulary is <u4"),
        ("meta of 2 MB", "its meta is not JSON, or is too long"),
    ],
)
def test_a_hostile_file_is_refused_before_more_of_it_is_read(wrong, reason, sound, tmp_path):
    path = tmp_path / "m.npz"
    path.write_bytes(spoil(sound.read_bytes(), hostile.FILES[wrong]))
    refused(path, reason)


@LINUX
def test_a_hostile_file_takes_little_memory(sound, tmp_path):
    paths = list(hostile.write_all(tmp_path).values())
    found = loaded(sound, paths)
    assert len(found) == len(paths)
    over = [
        (wrong, error, memory)
        for wrong, path, (error, memory) in zip(hostile.FILES, paths, found, strict=True)
        if not error or memory > 2 * path.stat().st_size + SLACK
    ]
    assert not over


def large(path: Path, letters: int, hidden: int, slots: int = 0, **config: int) -> Path:
    network = support.network("gru", letters, hidden, **config)
    extra = {f"optim.{slot}": network.flat for slot in range(slots)}
    vocabulary = Vocabulary(np.arange(letters, dtype=np.uint32))
    save(path, Checkpoint(network, vocabulary, {}, extra))
    return path


@LINUX
def test_a_large_model_takes_twice_its_file(sound, tmp_path):
    paths = [
        large(tmp_path / "wide.npz", 200, 2100),
        large(tmp_path / "letters.npz", 50_000, 100, embed_size=200),
        large(tmp_path / "last.npz", 100, 1000, slots=2),
    ]
    for path, (error, memory) in zip(paths, loaded(sound, paths), strict=True):
        size = path.stat().st_size
        assert not error
        assert size > 3 * SLACK // 2, "too small to tell"
        assert memory <= 2 * size + SLACK
        assert memory > size // 2, "the measurement is wrong"


@LINUX
def test_what_is_no_file_is_refused_at_once(sound, tmp_path):
    """A pipe that nobody writes to would be waited for; a device never ends; a sparse file is all holes."""
    names = {"fifo": "regular", "loop": "symbolic link", "empty": "not a .npz", "sparse": "not a .npz"}
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "empty").touch()
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10_000_000_000)
    others = {
        "/dev/zero": "regular",
        "/dev/stdin": "regular",
        str(tmp_path): "folder",
        "nowhere": "no file",
    }
    expected = {str(tmp_path / name): reason for name, reason in names.items()} | others
    found = loaded(sound, [Path(name) for name in expected])
    for (name, reason), (error, memory) in zip(expected.items(), found, strict=True):
        assert name in error
        assert reason in error
        assert memory < SLACK


@pytest.mark.parametrize("command", [["info"], ["sample"], ["eval", "/dev/null"], ["train", "/dev/null"]])
def test_a_pipe_as_checkpoint_ends_every_command(command, tmp_path):
    """At the second place it is where a command reads its model from."""
    os.mkfifo(tmp_path / "m.npz")
    name, *rest = command
    arguments = [name, *rest, "--init-from", "m.npz"] if name == "train" else [name, "m.npz", *rest]
    if name == "train":
        (tmp_path / "text").write_text("abc" * 100)
        arguments[1] = "text"
    done = run(*arguments, cwd=tmp_path)
    assert (done.code, done.out, done.err.count("\n")) == (1, b"", 1)
    assert "m.npz is not a regular file" in done.err


@pytest.mark.parametrize(
    "wrong",
    ["a name that steers a terminal", *(name for name in hostile.FILES if hostile.ESCAPE[:5] in name)],
    ids=ascii,
)
def test_an_error_steers_no_terminal(wrong, sound, tmp_path):
    (tmp_path / "m.npz").write_bytes(spoil(sound.read_bytes(), hostile.FILES[wrong]))
    done = run("info", "m.npz", cwd=tmp_path)
    assert (done.code, done.out, done.err.count("\n")) == (1, b"", 1)
    assert not STEERING.search(done.err)


@pytest.mark.parametrize(
    "place", ["command", "version", "numpy", "corpus__sha256", "training__novel", "novel"]
)
def test_what_a_sound_file_says_steers_no_terminal(place, sound, tmp_path):
    path = tmp_path / "m.npz"
    path.write_bytes(spoil(sound.read_bytes(), hostile_meta.meta(**{place: hostile.ESCAPE})))
    shown = "\n".join(lines(for_people(load(path).meta)))
    assert visible(hostile.ESCAPE) in shown
    assert not STEERING.search(shown)


def test_what_a_model_leaves_unsaid_is_the_default(sound, tmp_path):
    path = tmp_path / "m.npz"
    path.write_bytes(spoil(sound.read_bytes(), hostile_meta.meta(model__dropout=None, model__dtype=None)))
    loaded = load(path)
    assert loaded.meta["model"] == vars(loaded.network.config)
    assert "dropout" in loaded.meta["model"]


def test_no_pickle_but_of_our_own_compiled_code():
    """Whose files are checked before they are read (test_cache.py); and to a helper through a pipe."""
    package = Path(charrnn.__file__).parent
    for path in {*package.rglob("*.py")} - {package / "kernels/cache.py", package / "kernels/helpers.py"}:
        words = re.findall(
            r"allow_pickle=(?!False)|import pickle|pickle\.|np\.load\(|eval\(|exec\(", path.read_text()
        )
        assert not words, path


def test_more_than_can_be_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "LARGEST", 1000)
    with pytest.raises(CheckpointError, match="1,000 bytes"):
        large(tmp_path / "m.npz", 9, 9)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "meta", [{"seed": 10**30}, {"command": "x" * 600_000}, {"novel": [1]}], ids=lambda m: min(m)
)
def test_what_cannot_be_read_back_is_not_written(meta, tmp_path):
    network = support.network("rnn", 3, 3)
    path = tmp_path / "m.npz"
    with pytest.raises(CheckpointError, match=r"m\.npz could not be written: its"):
        save(path, Checkpoint(network, Vocabulary.of("abc"), meta))
    assert not list(tmp_path.iterdir())
