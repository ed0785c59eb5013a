"""Limits that containers, schedulers and shells set: CPUs, processes, a compiler turned off."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from program import SMALL, TEXT, run, shell

from charrnn.parallel.threads import Team
from charrnn.sampling.sampler import Sampler
from charrnn.system import cpus, new_threads

pytest_plugins = ["trained"]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
V2, V1 = "0::{}\n", "12:memory:/elsewhere\n4:cpu,cpuacct:{}\n0::/\n"
GROUPS = {
    "of the container": (V2, "/", {"": "50000 100000"}, 0.5),
    "of a parent": (V2, "/a.slice/job/step", {"a.slice/job": "150000 100000", "": "max 100000"}, 1.5),
    "the least of all": (V2, "/a/b", {"a/b": "400000 100000", "a": "300000 100000"}, 3),
    "none": (V2, "/a", {"a": "max 100000"}, 1e9),
    "the host's path in a container": (V2, "/docker/0123", {"": "100000 50000"}, 2),
    "another namespace's path": (V2, "/../../other", {"": "100000 50000"}, 2),
    "version 1": (V1, "/job", {"job": "250000 100000"}, 2.5),
    "version 1, the host's path": (V1, "/docker/0123", {"": "-1 100000", "docker": "20000 100000"}, 0.2),
    "version 1 without": (V1, "/job", {"job": "-1 100000"}, 1e9),
    "damaged": (V2, "/job", {"job": "much", "": "100 0"}, 1e9),
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_quota_of_a_cgroup_limits_the_threads(name, tmp_path, monkeypatch):
    lines, path, quotas, expected = GROUPS[name]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(lines.format(path))
    for level, quota in quotas.items():
        folder = tmp_path / "sys/fs/cgroup" / ("cpu,cpuacct" if lines == V1 else "") / level
        folder.mkdir(parents=True, exist_ok=True)
        if lines == V1:
            for file, word in zip(("quota", "period"), quota.split(), strict=True):
                (folder / f"cpu.cfs_{file}_us").write_text(word + "\n")
        else:
            (folder / "cpu.max").write_text(quota + "\n")
    assert cpus.cpu_quota(tmp_path) == expected
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(64), raising=False)
    assert cpus.available_cpus(tmp_path) == (64 if expected == 1e9 else max(1, round(expected + 0.49)))


def test_a_system_without_cgroups_has_no_quota(tmp_path):
    assert cpus.cpu_quota(tmp_path) == 1e9
    assert 1 <= cpus.available_cpus() <= CORES


def test_a_quota_is_for_those_who_do_not_say_how_many(monkeypatch):
    monkeypatch.setattr("charrnn.parallel.threads.available_cpus", lambda: 3)
    for team, threads in ((Team(), 3), (Team(5), 5), (Team(5, most=2), 2)):
        assert (team.threads, team.note) == (threads, "")
        team.close()


class Room:
    """Of threads: so many may be started, and then none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int):
        self.room, self._start = room, threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", lambda thread: self.start(thread))

    def start(self, thread: threading.Thread) -> None:
        if not self.room:
            raise RuntimeError("can't start new thread")
        self.room -= 1
        self._start(thread)


@pytest.mark.parametrize("room", [0, 1, 3])
def test_fewer_threads_do_the_same_work(room, monkeypatch):
    left = Room(monkeypatch, room)
    team, done = Team(8), np.zeros(1000, int)
    assert team.threads == room + 1
    assert team.note.startswith(f"{room + 1} of 8 threads: ")

    def work(item: int) -> None:
        done[item] += 1

    for _ in range(3):
        team.each(work, len(done))
    assert (done == 3).all()
    assert not new_threads.can_start()
    team.close()
    left.room = 2
    assert new_threads.can_start()


def test_a_sample_needs_no_more_threads_than_it_has_work_for(trained, monkeypatch):
    from charrnn.checkpoint.reading import load
    from charrnn.config import SampleConfig

    model = load(trained.checkpoint)
    Room(monkeypatch, 0)
    for num, note in ((1, ""), (17, "1 of 2 threads: ")):
        sampler = Sampler(model, SampleConfig(length=3, num=num, threads=2))
        assert len([*sampler][-1].texts) == num
        assert sampler.note.startswith(note) and bool(sampler.note) == bool(note)


LIMIT = (  # on root's program: root has none, so that it must count as another's
    "setpriv --ruid 65534 --bounding-set -sys_resource,-sys_admin prlimit --nproc=1"
)
can_limit = pytest.mark.skipif(
    not (
        hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("setpriv") and shutil.which("prlimit")
    ),
    reason="counts processes as another user's, which takes root and util-linux",
)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that other users may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "text.txt").write_bytes(TEXT.encode())
        yield folder


@can_limit
def test_commands_do_their_work_where_no_thread_can_be_started(open_folder):
    """By the system's own limit, which NumPy's threads meet too."""
    train = f"$CHARRNN train text.txt {' '.join(SMALL)} --max-steps 3 --out m.npz --force"
    limited = "1 of 2 threads: the system allows no more"
    for line, note in (
        (train, limited),
        ("$CHARRNN sample m.npz --num 17 --length 5 --threads 2", limited),
        ("$CHARRNN eval m.npz text.txt --threads 2", limited),
        ("$CHARRNN explain m.npz text.txt -o page.html --force", ""),
        ("$CHARRNN gradcheck --cell rnn", ""),
    ):
        done = shell(f"exec {LIMIT} {line}", open_folder)
        assert done.code == 0, done.err
        assert note in done.err and "Traceback" not in done.err and "OpenBLAS" not in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "text.txt", *SMALL],
        ["sample", "m.npz"],
        ["gradcheck"],
        ["bench", "--quick"],
    ],
)
def test_a_compiler_turned_off_is_named_before_anything_runs(arguments, tmp_path):
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    done = run(*arguments, cwd=tmp_path, NUMBA_DISABLE_JIT="1")
    assert (done.code, done.out, len(done.err.splitlines())) == (1, b"", 1)
    assert "NUMBA_DISABLE_JIT" in done.err
    assert [path.name for path in Path(tmp_path).iterdir()] == ["text.txt"]
