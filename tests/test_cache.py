"""Compiled code is kept where it can be, shared by processes, and never taken from anybody else."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from program import run

import charrnn
from charrnn.kernels import cache
from charrnn.kernels.compiler import Kernel
from charrnn.kernels.jit import called, jit
from charrnn.kernels.matmul import matmul, packed_size

FOLDER = "from charrnn.kernels import cache; print(cache.folder(), *cache.notes, sep='|')"
SIGMOID = """
import numpy as np
from charrnn.kernels import cache
from charrnn.kernels.activations import sigmoid
x = np.zeros(4, np.float32)
sigmoid(x)
print(x[0], sum(sigmoid.root.stats.cache_hits.values()), *cache.notes, sep="|")
"""
POSIX = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")


def start(code: str, folder: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """An interpreter that runs `code` in a folder, whose package it finds first."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=kept | environment, stdout=subprocess.PIPE, text=True
    )


def output(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.rstrip("\n").split("|")


# the folder


def test_the_folder_is_the_users_unless_another_is_named(tmp_path):
    digest = cache.sources_digest()
    home, named = str(tmp_path / "home"), str(tmp_path / "named")
    assert output(start(FOLDER, HOME=home)) == [f"{home}/.cache/charrnn/{digest}"]
    assert output(start(FOLDER, XDG_CACHE_HOME=named)) == [f"{named}/charrnn/{digest}"]
    assert output(start(FOLDER, HOME=home, NUMBA_CACHE_DIR=named)) == [f"{named}/{digest}"]


def test_a_user_without_a_home_gets_a_folder_of_the_process(tmp_path):
    code = "from charrnn.kernels import cache\n"
    code += "def fail(*_, **__): raise RuntimeError('could not determine the home directory')\n"
    code += "cache.user_cache_path = fail; print(cache.folder(), cache.lasts(), *cache.notes, sep='|')"
    folder, lasts, note = output(start(code, TMPDIR=str(tmp_path)))
    assert Path(folder).parent.parent == tmp_path and lasts == "False" and "home directory" in note
    assert not list(tmp_path.iterdir())


@POSIX
def test_it_and_those_above_it_are_for_the_user_alone(tmp_path):
    before = os.umask(0)
    try:
        folder = Path(output(start(FOLDER, NUMBA_CACHE_DIR=str(tmp_path / "a" / "b")))[0])
    finally:
        os.umask(before)
    for made in (folder, folder.parent, folder.parent.parent):
        assert made.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_written_means_a_folder_of_the_process(tmp_path):
    folder, note = output(start(FOLDER, HOME="/proc/nowhere", TMPDIR=str(tmp_path)))
    assert Path(folder).parent.parent == tmp_path
    assert not Path(folder).parent.exists(), "gone with the process"
    assert "/proc/nowhere" in note and "NUMBA_CACHE_DIR" in note


def test_where_nothing_can_be_written_it_is_compiled_each_time(tmp_path):
    code = "import tempfile; tempfile.tempdir = '/proc/nowhere'" + SIGMOID
    result, _, note = output(start(code, tmp_path, HOME="/proc/nowhere"))
    assert result == "0.5" and "/proc/nowhere" in note and "NUMBA_CACHE_DIR" in note


@POSIX
@pytest.mark.parametrize(
    "spoil, why",
    [
        (lambda path: path.chmod(0o777), "others can write to it"),
        (lambda path: path.chmod(0o720), "others can write to it"),
        (lambda path: os.chown(path, 12345, -1), "belongs to another user"),
        (lambda path: (path.rename(path.with_name("x")), path.symlink_to("x")), "not a folder"),
        (lambda path: (path.rmdir(), path.write_text("")), "not a folder"),
    ],
)
def test_a_folder_that_others_could_have_filled_is_not_used(tmp_path, spoil, why):
    """What is planted there is not run."""
    folder = tmp_path / cache.sources_digest()
    folder.mkdir(mode=0o700)
    try:
        spoil(folder)
    except PermissionError:
        pytest.skip("only root can give a folder away")
    used, note = output(start(FOLDER, NUMBA_CACHE_DIR=str(tmp_path), TMPDIR=str(tmp_path)))
    assert Path(used) != folder and why in note and str(folder) in note


# the files


def half(x: Any) -> None:
    for k in range(x.size):
        x[k] = x[k] / 2


def kernel(function: Callable[..., Any] = half) -> Kernel:
    return Kernel(function)


def halved(by: Kernel) -> tuple[float, int]:
    """What it computes, and how often it was found compiled."""
    x = np.ones(3)
    by(x)
    return float(x.sum()), sum(by.root.stats.cache_hits.values())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    monkeypatch.setattr(cache, "notes", [])
    assert halved(kernel()) == (1.5, 0)
    return tmp_path


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_what_is_compiled_is_found_again_and_is_one_private_file(folder):
    assert halved(kernel()) == (1.5, 1)
    assert cache.notes == [] and only_file(folder).stat().st_mode & 0o077 == 0


DAMAGE: dict[str, Callable[[Path, bytes], object]] = {
    "emptied": lambda path, whole: path.write_bytes(b""),
    "a byte": lambda path, whole: path.write_bytes(whole[:1]),
    "halved": lambda path, whole: path.write_bytes(whole[: len(whole) // 2]),
    "a byte short": lambda path, whole: path.write_bytes(whole[:-1]),
    "a byte more": lambda path, whole: path.write_bytes(whole + b"\0"),
    "zeros": lambda path, whole: path.write_bytes(bytes(len(whole))),
    "noise": lambda path, whole: path.write_bytes(np.random.default_rng(0).bytes(len(whole))),
    "a pickle": lambda path, whole: path.write_bytes(pickle.dumps(["run me"])),
    "a folder": lambda path, whole: (path.unlink(), path.mkdir()),
    "a full folder": lambda path, whole: (path.unlink(), path.mkdir(), (path / "x").write_text("x")),
    "a fifo": lambda path, whole: (path.unlink(), os.mkfifo(path)),
    "another's": lambda path, whole: os.chown(path, 12345, -1),
    "for all to write": lambda path, whole: path.chmod(0o666),
    "a link to a sound one": lambda path, whole: (path.rename(path.with_name("x")), path.symlink_to("x")),
    "another kernel's": lambda path, whole: path.write_bytes(cache.DIGEST(whole[32:]).digest() + whole[32:]),
    "a link to itself": lambda path, whole: (path.unlink(), path.symlink_to(path.name)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_dropped_and_compiled_anew_with_one_note(folder, damage):
    path = only_file(folder)
    try:
        DAMAGE[damage](path, path.read_bytes())
    except PermissionError:
        pytest.skip("only root can give a file away")
    assert halved(kernel()) == (1.5, 0)
    (note,) = cache.notes
    assert str(path) in note and "compiled again" in note
    assert halved(kernel()) == (1.5, 1)


def test_a_kernel_of_another_module_is_known_by_its_code(folder):
    def half(x: Any) -> None:
        for k in range(x.size):
            x[k] = x[k] / 4

    half.__module__, half.__qualname__ = __name__, "half"
    assert halved(kernel(half)) == (0.75, 0)


def test_no_flipped_bit_is_loaded(folder):
    path = only_file(folder)
    whole = path.read_bytes()
    for bit in np.random.default_rng(0).integers(0, 8 * len(whole), 40).tolist():
        spoiled = bytearray(whole)
        spoiled[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoiled)
        assert kernel().root._cache._load(path, None) is None and not path.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_a_file_that_cannot_be_written_costs_a_note(folder, monkeypatch, number):
    only_file(folder).unlink()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cache.tempfile, "NamedTemporaryFile", fail)
    assert halved(kernel()) == (1.5, 0)
    (note,) = cache.notes
    assert os.strerror(number) in note and str(folder) in note and "NUMBA_CACHE_DIR" in note
    assert not list(folder.iterdir())


def test_half_a_file_is_never_seen(folder, monkeypatch):
    path = only_file(folder)
    path.unlink()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        halved(kernel())
    assert not list(folder.iterdir()), "nor is a claim left behind"


def test_the_parts_of_a_root_have_no_names_that_another_could_find(folder):
    a, c = np.ones((8, 4), np.float32), np.zeros((8, 64), np.float32)
    kernel(matmul.py_func)(a, np.ones(packed_size(4, 64, 4), np.float32), c, True)
    (file,) = folder.glob("*matmul*.bin")
    (_, _, names), *_ = pickle.loads(file.read_bytes()[32:])
    functions = [name for name in names if "NumbaEnv" not in name]
    assert any("matmul" in name for name in functions)
    assert not any("_by_vectors" in name for name in functions)
    assert (c == 4).all()


def test_what_was_claimed_by_a_call_within_is_let_go(folder, monkeypatch):
    x = np.arange(5.0)

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_inner, "root", kernel(_inner.py_func).root)
    monkeypatch.setattr(_inner.root._compiler, "_compile_core", interrupt)
    with pytest.raises(KeyboardInterrupt):
        kernel(middle)(x)
    assert not cache.claims and not list(folder.glob("*.lock"))


@jit
def _inner(x):
    half_of_it = x.size // 2
    return x[half_of_it]


_called = called(_inner)


def middle(x: Any) -> Any:
    return _called(x)


def test_a_root_that_calls_another_is_compiled_anew_when_that_is(folder, monkeypatch):
    x = np.arange(5.0)
    monkeypatch.setattr(_inner, "root", kernel(_inner.py_func).root)
    assert kernel(middle)(x) == 2
    again = kernel(middle)
    assert again(x) == 2 and sum(again.root.stats.cache_hits.values()) == 1
    next(folder.glob("*_inner-*.bin")).unlink()
    monkeypatch.setattr(_inner, "root", kernel(_inner.py_func).root)
    stale = kernel(middle)
    assert stale(x) == 2 and sum(stale.root.stats.cache_hits.values()) == 0
    assert cache.notes == []


# processes


def test_of_two_processes_that_start_at_once_one_compiles(tmp_path):
    both = [start(SIGMOID, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert sorted(output(process) for process in both) == [["0.5", "0"], ["0.5", "1"]]
    assert output(start(SIGMOID, NUMBA_CACHE_DIR=str(tmp_path))) == ["0.5", "1"]
    assert not list(tmp_path.rglob("*.lock"))


SLOW = """
import time
from charrnn.kernels import compiler
compiler.compiler.compile_extra = lambda *a, **k: (print("compiling", flush=True), time.sleep(60))
"""


def test_a_process_that_was_killed_while_it_compiled_keeps_nobody_waiting(tmp_path):
    with start(SLOW + SIGMOID, NUMBA_CACHE_DIR=str(tmp_path)) as first:
        assert first.stdout and first.stdout.readline() == "compiling\n"
        second = start(SIGMOID, NUMBA_CACHE_DIR=str(tmp_path))
        time.sleep(1.5)
        assert second.poll() is None, "it waits for the first"
        first.kill()
        assert output(second) == ["0.5", "0"]


def test_other_sources_have_another_folder(tmp_path):
    package = Path(charrnn.__file__).parent
    shutil.copytree(package, tmp_path / "charrnn", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "charrnn" / "cells" / "gru.py").open("a") as file:
        file.write("# changed\n")
    code = "from charrnn.kernels.cache import sources_digest; print(sources_digest())"
    assert output(start(code, tmp_path)) != [cache.sources_digest()]


NOTES = """
import numpy as np
from charrnn.cli import console
from charrnn.kernels.activations import sigmoid
console.SLOW = 0.0
with console.explain_compiling():
    sigmoid(np.zeros(4, np.float32))
"""


def test_only_a_start_that_compiles_is_said_to_compile(tmp_path):
    def notes() -> str:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", NOTES]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr

    first = notes().splitlines()
    assert [line.split()[0] for line in first] == ["compiling", "compiled"]
    assert notes() == ""


# helpers

WORK = """
import os, sys, time
import numpy as np
from charrnn.kernels import helpers
from charrnn.kernels.activations import sigmoid, tanh
helpers.available_cpus = lambda: 3

def calls(folder):
    def mark():
        with open(f"{folder}/{os.getpid()}", "w") as file:
            file.write(str(os.getppid()))
        tanh(np.zeros(4, np.float32))
        time.sleep(30)
    return [mark, mark, lambda: sigmoid(np.zeros(4, np.float32))]

if __name__ == "__main__":
    import work
    with helpers.helped(work.calls, sys.argv[1]):
        work.calls(sys.argv[1])[-1]()
        while len(os.listdir(sys.argv[1])) < 2:
            time.sleep(0.01)
        print("helped", flush=True)
        time.sleep(float(sys.argv[2]))
"""


@POSIX
@pytest.mark.parametrize("end", ["done", "SIGINT", "SIGTERM", "SIGKILL"])
def test_helpers_work_beside_and_none_is_left_over(tmp_path, end):
    (tmp_path / "work.py").write_text(WORK)
    marks = tmp_path / "marks"
    marks.mkdir()
    seconds = "0" if end == "done" else "30"
    with subprocess.Popen(
        [sys.executable, "work.py", str(marks), seconds],
        cwd=tmp_path,
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as main:
        assert main.stdout and main.stdout.readline() == "helped\n"
        helpers = [int(mark.name) for mark in marks.iterdir()]
        assert {mark.read_text() for mark in marks.iterdir()} == {str(main.pid)}
        if end != "done":
            main.send_signal(getattr(signal, end))
        main.communicate(timeout=10)
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in helpers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in helpers if Path(f"/proc/{pid}").exists()]
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix not in ("", ".bin")]


@POSIX
def test_helpers_share_the_temporary_folder_and_leave_nothing(tmp_path):
    (tmp_path / "work.py").write_text(WORK)
    marks, temporary = tmp_path / "marks", tmp_path / "tmp"
    marks.mkdir()
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "work.py", str(marks), "0"],
        cwd=tmp_path,
        env=os.environ | {"NUMBA_CACHE_DIR": "/proc/nowhere", "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "helped\n" and not list(temporary.iterdir())


# where kernels were compiled function by function, a run with all of these had other bits in a cold cache
ALL = "--cell rnn --hidden-size 24 --num-layers 2 --batch-size 33 --seq-len 20 --max-steps 60 --warmup 5 -q"
ALL += (
    " --attention 5 --dropout 0.2 --teacher-forcing 0.8 --embed-size 7 --optimizer adamw --weight-decay 0.1"
)
ALL += " --clip-value 0.1 --weight-clip 2"


def test_a_process_that_compiles_computes_the_bits_of_one_that_does_not(fables, tmp_path):
    (tmp_path / "text.txt").write_text(fables[:20_000])
    trained = []
    for name in ("cold.npz", "warm.npz"):
        arguments = ["train", "text.txt", "--out", name, *ALL.split()]
        done = run(*arguments, cwd=tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
        assert done.code == 0, done.err
        with np.load(tmp_path / name) as arrays:
            trained.append({key: arrays[key].tobytes() for key in arrays if key != "meta"})
    assert trained[0] == trained[1]
