"""File systems that lack an operation: it is said once, and the run goes on; what protects data ends it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program import SMALL, TEXT

from charrnn.checkpoint.reading import load
from charrnn.cli import console
from charrnn.cli.main import program
from charrnn.errors import CharrnnError, CheckpointError
from charrnn.system import lock
from charrnn.system.atomic import replacing
from charrnn.training.run_lock import output

Patch = pytest.MonkeyPatch


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def no_flock(patch: Patch, number: int) -> None:
    patch.setattr(fcntl, "flock", failing(number))


def no_fsync(patch: Patch, number: int, folders: bool) -> None:
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == folders:
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    patch.setattr(os, "fsync", fsync)


def no_fsync_of_files(patch: Patch, number: int) -> None:
    no_fsync(patch, number, folders=False)


def no_fsync_of_folders(patch: Patch, number: int) -> None:
    no_fsync(patch, number, folders=True)


def no_chmod(patch: Patch, number: int) -> None:
    patch.setattr(Path, "chmod", failing(number))


def no_rename_over(patch: Patch, number: int) -> None:
    """Another name is taken, one that is there is not."""
    rename = Path.rename

    def move(self: Path, target: Path) -> Path:
        if Path(target).exists():
            raise OSError(number, os.strerror(number))
        return rename(self, target)

    patch.setattr(Path, "replace", move)
    patch.setattr(Path, "rename", move)


LACKING = [(no_flock, name, "without locks") for name in ("ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL")]
LACKING += [(no_fsync_of_files, name, "does not flush") for name in ("ENOSYS", "EINVAL", "EOPNOTSUPP")]
LACKING += [(no_fsync_of_folders, name, "does not flush") for name in ("EINVAL", "ENOSYS", "EACCES")]
LACKING += [(no_chmod, name, "file modes") for name in ("EPERM", "EACCES", "EOPNOTSUPP", "ENOSYS")]
LACKING += [(no_rename_over, name, "cannot replace files") for name in ("EEXIST", "EPERM", "ENOSYS")]
CASES = pytest.mark.parametrize("lack, name, words", LACKING, ids=lambda v: getattr(v, "__name__", v))


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_bytes(TEXT.encode())
    console.stderr.cache_clear()
    yield tmp_path
    console.stderr.cache_clear()


def train(*more: object) -> int:
    options = ["text.txt", *SMALL, "--eval-every", "2", "--max-steps", "6", "--out", "m", *map(str, more)]
    return program()(["train", *options], standalone_mode=False)


@CASES
def test_a_run_says_it_once_and_goes_on(lack, name, words, here, monkeypatch, capfd):
    lack(monkeypatch, getattr(errno, name))
    assert train() == 0
    assert train("--resume", "--max-steps", 8) == 0
    told = [line for line in capfd.readouterr().err.splitlines() if words in line]
    assert len(told) == 2, "once in each run"
    assert os.strerror(getattr(errno, name)) in told[0]
    assert load(Path("m.npz")).meta["metrics"]["step"] > 0
    assert sorted(path.name for path in here.iterdir()) == ["m.jsonl", "m.last.npz", "m.npz", "text.txt"]


@CASES
def test_quiet_is_quiet(lack, name, words, here, monkeypatch, capfd):
    lack(monkeypatch, getattr(errno, name))
    assert train("-q") == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "lack, name",
    [(no_fsync_of_files, name) for name in ("EIO", "ENOSPC", "EDQUOT")]
    + [(no_rename_over, name) for name in ("EIO", "ENOSPC", "EROFS")]
    + [(no_chmod, name) for name in ("EIO", "EROFS")],
)
def test_what_protects_data_stays_fatal(lack, name, here, monkeypatch):
    assert train("-q") == 0
    before = {path.name: path.read_bytes() for path in here.glob("*.npz")}
    lack(monkeypatch, getattr(errno, name))
    with pytest.raises(CheckpointError, match=os.strerror(getattr(errno, name))):
        train("--resume", "--epochs", 99, "--max-steps", 8, "-q")
    assert {path.name: path.read_bytes() for path in here.glob("*.npz")} == before
    assert not list(here.glob(".*"))


@pytest.mark.parametrize("name", ["EIO", "EROFS", "EPERM"])
def test_a_lock_that_fails_for_another_reason_ends_the_run(name, here, monkeypatch):
    no_flock(monkeypatch, getattr(errno, name))
    with pytest.raises(CharrnnError, match=os.strerror(getattr(errno, name))):
        train("-q")
    assert [path.name for path in here.iterdir()] == ["text.txt"]


@pytest.mark.parametrize("name", ["EAGAIN", "EACCES"])
def test_a_lock_that_another_holds_is_no_lack(name, here, monkeypatch):
    no_flock(monkeypatch, getattr(errno, name))
    with pytest.raises(CheckpointError, match="another run is writing"):
        train("-q")


def test_locks_that_come_and_go_stop_nothing(here, monkeypatch):
    """A mount that loses its lock daemon before the end: the run is done by then."""
    with output(Path("m")) as lacking:
        assert lacking == ""
        no_flock(monkeypatch, errno.ENOLCK)
    assert [path.name for path in here.iterdir()] == ["text.txt"]


def test_without_locks_a_second_run_is_let_in_and_told(here, monkeypatch):
    no_flock(monkeypatch, errno.ENOSYS)
    with lock.hold(Path("m")) as first, lock.hold(Path("m")) as second:
        assert first == second
        assert "nothing prevents another run" in first


def test_a_save_cut_short_where_nothing_is_renamed_over_leaves_one_of_the_two(here, monkeypatch):
    no_rename_over(monkeypatch, errno.EEXIST)
    path, aside = Path("m.npz"), Path(".m.npz.old")
    path.write_text("old")
    rename = Path.rename

    def cut(self: Path, target: Path) -> Path:
        if target == path and self != aside:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", cut)
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"new")
    assert path.read_text() == "old"
    monkeypatch.setattr(Path, "rename", rename)
    aside.write_text("older, of a kill")
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert sorted(entry.name for entry in here.iterdir()) == ["m.npz", "text.txt"]
