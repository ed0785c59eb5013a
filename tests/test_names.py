"""The names of a run's files: one function gives them all, and what a run writes is what it says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from program import SMALL, TEXT, command, environment, run

from charrnn.checkpoint.names import RunNames, default, without_ending
from charrnn.errors import UsageError

STEPS = [*SMALL, "--max-steps", "2"]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "out, run",
    [
        ("a.npz", "a"),
        ("a", "a"),
        ("a.last.npz", "a"),
        ("a.last", "a"),
        ("a.jsonl", "a"),
        ("sweep/lr0.01", "sweep/lr0.01"),
        ("sweep/lr0.01.npz", "sweep/lr0.01"),
        ("sweep/lr0.01.last.npz", "sweep/lr0.01"),
        ("v1.0/b.c.d", "v1.0/b.c.d"),
        ("a.npz.npz", "a.npz"),
        ("a.txt", "a.txt"),
        ("/x/.hidden", "/x/.hidden"),
        ("lastly.npz", "lastly"),
        ("a.step12.npz", "a.step12"),
    ],
)
def test_only_known_endings_are_stripped(out, run):
    names = RunNames.of(Path(out))
    assert names.run == Path(run)
    assert [str(path) for path in (names.best, names.last, names.log, names.kept(7))] == [
        f"{run}.npz",
        f"{run}.last.npz",
        f"{run}.jsonl",
        f"{run}.step000000007.npz",
    ]
    for path in (names.best, names.last, names.log):
        again = RunNames.of(path)
        assert again == names


@pytest.mark.parametrize("out", [".npz", "x/.npz", ".jsonl", ".last.npz", ".last"])
def test_a_name_of_nothing_is_refused(out):
    with pytest.raises(UsageError, match=re.escape(out)):
        RunNames.of(Path(out))


def test_the_name_of_a_kept_model_is_no_run(folder):
    refused = run("train", "text.txt", *STEPS, "--out", "a.b.step000000012.npz", cwd=folder)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    remedy = re.search(r"--out \S+$", refused.err.strip())[0]
    assert run("train", "text.txt", *STEPS, *remedy.split(), cwd=folder).code == 0
    assert files(folder) == ["a.b.jsonl", "a.b.last.npz", "a.b.npz", "text.txt"]


@pytest.mark.parametrize(
    "corpus, expected",
    [
        ("fables.txt", "fables"),
        ("x/fables.txt.gz", "fables"),
        ("fables.gz", "fables"),
        ("v1.0.txt", "v1.0"),
        ("v1.1.txt.xz", "v1.1"),
        ("2024.01", "2024.01"),
        ("tiny.shakespeare.txt", "tiny.shakespeare"),
        ("README.md", "README"),
        (".profile", "corpus"),
        ("stdin", "stdin"),
        ("enwik8", "enwik8"),
    ],
)
def test_the_default_is_named_after_the_corpus(corpus, expected):
    assert default(corpus, "gru") == Path(f"checkpoints/{expected}-gru.npz")


def test_a_label_keeps_its_dots():
    assert [str(without_ending(Path(name))) for name in ("s/lr0.01.jsonl", "lr0.02", "a.npz")] == [
        "s/lr0.01",
        "lr0.02",
        "a",
    ]


def test_runs_of_a_sweep_have_logs_of_their_own(folder):
    """Side by side, as in a loop with &."""
    rates = ("0.01", "0.02", "0.03")
    running = [
        subprocess.Popen(
            command("train", "text.txt", *STEPS, "--lr", rate, "--out", f"sweep/lr{rate}", "-q"),
            cwd=folder,
            env=environment(),
            stderr=subprocess.PIPE,
        )
        for rate in rates
    ]
    assert [process.communicate()[1] for process in running] == [b""] * 3
    assert [process.returncode for process in running] == [0, 0, 0]
    for rate in rates:
        start = json.loads((folder / f"sweep/lr{rate}.jsonl").read_text().splitlines()[0])
        assert start["config"]["lr"] == float(rate)
    endings = (".jsonl", ".last.npz", ".npz")
    assert files(folder) == [f"sweep/lr{rate}{ending}" for rate in rates for ending in endings] + ["text.txt"]


@pytest.mark.parametrize("first", ["a.npz", "a"])
@pytest.mark.parametrize("then", ["a", "a.npz", "a.last.npz", "a.last", "./a.jsonl"])
def test_a_run_is_resumed_by_any_of_its_names(first, then, folder):
    train = ["train", "text.txt", *STEPS[:-1]]
    begun = run(*train, 2, "--out", first, cwd=folder)
    assert begun.code == 0
    assert "charrnn sample a.npz " in begun.err
    before = (folder / "a.npz").read_bytes()
    again = run(*train, 4, "--out", then, "--resume", cwd=folder)
    assert again.code == 0, again.err
    assert "charrnn sample a.npz " in again.err
    assert (folder / "a.npz").read_bytes() != before, "the model is stale"
    assert files(folder) == ["a.jsonl", "a.last.npz", "a.npz", "text.txt"]
    assert run("sample", "a.npz", "--length", 3, cwd=folder).code == 0


def test_no_run_takes_the_kept_models_of_another(folder):
    for name in ("a.stepfather.npz", "a.step0000000x1.npz", "a.b.step000000001.npz"):
        (folder / name).write_text("mine")
    done = run("train", "text.txt", *STEPS, "--out", "a", "--keep-last", 1, "--force", cwd=folder)
    assert done.code == 0
    kept = [name for name in files(folder) if "step" in name]
    assert kept == ["a.b.step000000001.npz", "a.step000000002.npz", "a.step0000000x1.npz", "a.stepfather.npz"]


def test_a_folder_is_refused_and_nothing_written_beside_it(folder):
    (folder / "sweep").mkdir()
    refused = run("train", "text.txt", *STEPS, "--out", "sweep", cwd=folder)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "sweep is a folder" in refused.err
    assert files(folder) == ["text.txt"]


def test_a_dry_run_names_what_will_be_written(folder):
    shown = run("train", "text.txt", *STEPS, "--out", "sweep/lr0.01", "--dry-run", cwd=folder)
    assert b"sweep/lr0.01.npz, sweep/lr0.01.last.npz, sweep/lr0.01.jsonl" in shown.out
