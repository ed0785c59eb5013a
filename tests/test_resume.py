"""A run that was stopped, however, and resumed has the bits of one that never was."""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
from program import command, environment, run, shell, wait
from support import CELLS

from charrnn.checkpoint import npz
from charrnn.checkpoint.checkpoint import VERSIONS
from charrnn.config import OPTIMIZERS, ModelConfig, TrainConfig
from charrnn.errors import CheckpointError, UsageError
from charrnn.text.corpus import from_text
from charrnn.training import events
from charrnn.training.plan import Plan
from charrnn.training.trainer import Trainer

CASES: list[tuple[str, str, dict[str, Any]]] = [(cell, name, {}) for cell in CELLS for name in OPTIMIZERS]
CASES += [("gru", "adam", {"attention": 30, "teacher_forcing": 0.7})]


def made(text: str, path: Path, cell: str, threads: int = 1, attention: int = 0, **config: Any) -> Trainer:
    model = ModelConfig(cell=cell, hidden_size=9, num_layers=2, dropout=0.3, attention=attention)
    defaults = {"lr": 0.01, "epochs": 2.5, "batch_size": 20, "seq_len": 16, "eval_every": 7, "patience": 99}
    plan = Plan.of(from_text(text), model, TrainConfig(**(defaults | config), threads=threads))
    return Trainer(plan.of_rank(), path)


def ran(trainer: Trainer, stop: int | None = None) -> list[tuple[Any, ...]]:
    """The figures of every step and evaluation, up to the stop."""
    log = []
    for event in trainer.run():
        if isinstance(event, events.Step):
            log.append((event.step, event.loss, event.grad_norm, event.lr))
            if event.step == stop:
                trainer.stop()
        elif isinstance(event, events.Evaluated):
            log.append((event.step, event.loss))
    return log


def arrays(path: Path) -> dict[str, bytes]:
    with np.load(path) as file:
        return {name: file[name].tobytes() for name in file.files if name != "meta"}


def same(one: Path, other: Path) -> None:
    for suffix in (".npz", ".last.npz"):
        assert arrays(one.with_suffix(suffix)) == arrays(other.with_suffix(suffix))


def stops(case: int, total: int) -> list[int]:
    return sorted(random.Random(case).sample(range(1, total), 3))


@pytest.mark.parametrize("case", range(len(CASES)))
def test_stops_anywhere_change_no_bit(case, fables, tmp_path, request):
    """`pytest --stops 200` for more stop points than the few of an ordinary run."""
    cell, optimizer, more = CASES[case]
    config = {"optimizer": optimizer, "lr_schedule": ("cosine", "plateau", "step")[case % 3], **more}
    text = fables[:3000]
    whole = made(text, tmp_path / "whole.npz", cell, **config)
    log = ran(whole)
    repeats = max(1, math.ceil(request.config.getoption("--stops") / (3 * len(CASES))))
    for repeat in range(repeats):
        path, parts = tmp_path / f"{repeat}.npz", []
        for i, stop in enumerate([*stops(case + 1000 * repeat, whole.plan.total_steps), None]):
            part = made(text, path, cell, threads=1 + i % 3, **config)
            if i:
                part.resume()
            parts += ran(part, stop)
        assert parts == log
        same(tmp_path / "whole.npz", path)


def test_a_run_that_went_back_after_nan_resumes_too(fables, tmp_path):
    """The halved learning rate and the count of returns are part of the state."""
    config = {"lr": 13.0, "clip_norm": 0.0, "optimizer": "sgd", "warmup": 0, "lr_schedule": "constant"}
    log = ran(made(fables[:3000], tmp_path / "a.npz", "rnn", **config))
    assert log[-2][3] == 6.5  # it went back
    first = made(fables[:3000], tmp_path / "b.npz", "rnn", **config)
    parts = ran(first, 10)
    second = made(fables[:3000], tmp_path / "b.npz", "rnn", **config)
    second.resume()
    assert parts + ran(second) == log
    same(tmp_path / "a.npz", tmp_path / "b.npz")


def test_another_text_is_refused_by_name(fables, tmp_path):
    ran(made(fables[:3000], tmp_path / "m.npz", "gru"), 3)
    with pytest.raises(UsageError, match="sha256"):
        made(fables[1:3001], tmp_path / "m.npz", "gru").resume()
    with pytest.raises(CheckpointError, match="no file"):
        made(fables[:3000], tmp_path / "other.npz", "gru").resume()


OPTIONS = ["--cell", "gru", "--hidden-size", "8", "--seq-len", "16", "--batch-size", "20", "--dropout", "0.2"]
OPTIONS += ["--epochs", "60", "--save-every", "5", "--eval-every", "50"]


@pytest.fixture
def corpus(fables, tmp_path) -> Path:
    (tmp_path / "corpus.txt").write_text(fables[:4000])
    return tmp_path


def logged(path: Path) -> dict[int, float]:
    """The loss of each step in a log, the last word on each."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if line["event"] == "step"}


def test_kills_in_mid_epoch_change_no_bit(corpus):
    """SIGKILL, three times, with another number of threads each time."""
    train = ["train", "corpus.txt", *OPTIONS]
    assert run(*train, "--out", "whole.npz", cwd=corpus).code == 0
    for i, threads in enumerate((1, 2, 3)):
        more = ["--resume"] if i else []
        process = subprocess.Popen(
            command(*train, "--out", "m.npz", "--threads", threads, *more),
            cwd=corpus,
            env=environment(),
            stderr=subprocess.DEVNULL,
        )
        last = corpus / "m.last.npz"
        seen = last.stat().st_mtime_ns if last.exists() else 0
        wait(lambda last=last, seen=seen: last.exists() and last.stat().st_mtime_ns > seen)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = run(*train, "--out", "m.npz", "--resume", cwd=corpus)
    assert done.code == 0, done.err
    same(corpus / "whole.npz", corpus / "m.npz")
    assert logged(corpus / "m.jsonl") == logged(corpus / "whole.jsonl")


def test_resume_takes_the_saved_options_and_refuses_others_by_name(corpus):
    train = ["train", "corpus.txt", "--out", "m.npz"]
    assert run(*train, *OPTIONS, "--max-steps", "20", cwd=corpus).code == 0
    assert run(*train, "--resume", "--max-steps", "30", cwd=corpus).code == 0
    with np.load(corpus / "m.last.npz") as file:
        assert json.loads(file["meta"].tobytes())["progress"]["step"] == 30
    for option, value in (("--hidden-size", "9"), ("--cell", "rnn"), ("--seed", "3")):
        refused = run(*train, "--resume", option, value, cwd=corpus)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert option in refused.err


def test_two_runs_on_one_output_are_refused(corpus):
    from charrnn.training.run_lock import output

    with output(corpus / "m.npz"):
        second = run("train", "corpus.txt", "--out", "m.npz", *OPTIONS, "-q", cwd=corpus)
    assert (second.code, second.err.count("\n")) == (1, 1)
    assert "another run is writing to m.npz" in second.err


def test_leavings_of_dead_runs_are_swept_and_others_left_alone(corpus):
    swept = {f".m{kind}.npz.abc_1234.tmp" for kind in ("", ".last", ".step000000012")}
    others = {
        ".n.npz.abc_1234.tmp",
        "m.tmp",
        ".m.npz.other.npz.abc_1234.tmp",
        ".m.stepfather.npz.abc_1234.tmp",
    }
    for name in (*swept, *others):
        (corpus / name).write_text("half a file")
    assert run("train", "corpus.txt", "--out", "m.npz", *OPTIONS, "--max-steps", "3", cwd=corpus).code == 0
    left = {path.name for path in corpus.iterdir()}
    assert others <= left
    assert not {*swept, ".m.lock"} & left


SAVER = """
import sys, numpy as np
from pathlib import Path
from charrnn.checkpoint import npz
number = int(sys.argv[2])
while True:
    number += 1
    npz.write(Path(sys.argv[1]), {"number": np.full(20_000, number, np.uint32)})
    print(number, flush=True)
"""


@pytest.mark.parametrize("kills", [15])
def test_kills_during_saves_leave_nothing_unreadable_or_older_than_announced(kills, tmp_path, request):
    """`pytest --kills 300` for the long form."""
    path, announced = tmp_path / "m.npz", 0
    rng = random.Random(0)
    for _ in range(max(kills, request.config.getoption("--kills"))):
        saver = [*command()[:1], "-c", SAVER, str(path), str(announced)]
        with subprocess.Popen(saver, stdout=subprocess.PIPE, env=environment()) as process:
            assert process.stdout
            said = [process.stdout.readline()]
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
            said += process.stdout.read().split()
        announced = max(map(int, said))
        with path.open("rb") as file:
            (member,) = npz.members(file).values()
            numbers = npz.read(file, member)
        assert (numbers == numbers[0]).all()
        assert numbers[0] >= announced
        announced = int(numbers[0])


def test_a_full_disk_is_told_and_what_was_saved_goes_on(corpus):
    """A limit on the size of files in place of a full disk."""
    train = ["train", "corpus.txt", "--out", "m.npz"]
    assert run(*train, *OPTIONS, "--max-steps", "20", cwd=corpus).code == 0
    before = {path.name: path.read_bytes() for path in corpus.glob("*.npz")}
    line = f"ulimit -f 5; $CHARRNN {' '.join(train)} --resume --max-steps 40 -q"
    full = shell(line, cwd=corpus)
    assert full.code == 1
    assert re.search(r"m\.(last\.)?npz could not be written: File too large", full.err)
    assert {path.name: path.read_bytes() for path in corpus.glob("*.npz")} == before
    assert not list(corpus.glob(".*.tmp"))
    assert run(*train, "--resume", "--max-steps", "40", cwd=corpus).code == 0


def test_training_outlives_its_terminal(corpus):
    """stderr is a pipe that nobody reads any more."""
    line = f"$CHARRNN train corpus.txt --out m.npz {' '.join(OPTIONS)} --max-steps 200 2>&1 >&- | true"
    assert shell(line, cwd=corpus).code == 0
    assert logged(corpus / "m.jsonl")[200] > 0


@pytest.mark.parametrize("schedule", ["plateau", "constant"])
def test_a_stop_by_steps_between_evaluations_changes_no_bit_of_the_state(schedule, fables, tmp_path):
    """The evaluation at such an end is off schedule: patience, plateaus and history know nothing of it."""
    config = {"lr_schedule": schedule, "warmup": 0, "lr": 0.05}
    log = ran(made(fables[:3000], tmp_path / "a.npz", "gru", **config))
    parts = []
    for i, steps in enumerate((10, 17, 0)):
        part = made(fables[:3000], tmp_path / "b.npz", "gru", max_steps=steps, **config)
        if i:
            part.resume()
        parts += ran(part)
    off = [entry for entry in parts if len(entry) == 2 and entry[0] in (10, 17)]
    assert [entry for entry in parts if entry not in off] == log
    assert arrays(tmp_path / "a.last.npz") == arrays(tmp_path / "b.last.npz")


def test_going_back_keeps_the_best_model(fables, tmp_path):
    """NaN long after the last save for going on, and after a better model was saved."""
    trainer = made(fables[:3000], tmp_path / "m.npz", "gru", save_every=15, eval_every=6, epochs=20)
    best, bad = [], 0
    for event in trainer.run():
        if isinstance(event, events.Saved) and event.kind == "best":
            best.append(json.loads(np.load(tmp_path / "m.npz")["meta"].tobytes())["metrics"]["loss"])
        if isinstance(event, events.Step) and event.step == 28 and not bad:
            trainer.network.flat[:] = np.nan
        bad += isinstance(event, events.Rewound)
    assert bad == 1
    assert best == sorted(best, reverse=True)
    assert np.isfinite(trainer.network.flat).all()


def test_a_run_begun_anew_leaves_nothing_of_the_old_to_resume(corpus):
    """--force, and a kill before the first evaluation."""
    train = ["train", "corpus.txt", "--out", "m.npz", *OPTIONS, "--keep-last", "2"]
    assert run(*train, "--max-steps", "20", "--seed", "1", cwd=corpus).code == 0
    assert list(corpus.glob("m.step*.npz"))
    run(*train, "--max-steps", "1", "--seed", "2", "--save-every", "1000", "--force", cwd=corpus)
    meta = json.loads(np.load(corpus / "m.last.npz")["meta"].tobytes())
    assert (meta["seed"], meta["progress"]["step"]) == (2, 1)
    assert [path.name for path in corpus.glob("m.step*.npz")] == ["m.step000000001.npz"]


def test_a_changed_validation_text_is_refused(corpus):
    train = ["train", "corpus.txt", "--out", "m.npz", "--val", "val.txt"]
    (corpus / "val.txt").write_text((corpus / "corpus.txt").read_text()[:500])
    assert run(*train, *OPTIONS, "--max-steps", "5", cwd=corpus).code == 0
    (corpus / "val.txt").write_text((corpus / "corpus.txt").read_text()[500:1000])
    refused = run(*train, "--resume", cwd=corpus)
    assert refused.code == 2
    assert "val_sha256" in refused.err


def test_a_fine_tuned_run_resumes_by_its_own_options(corpus, fables):
    train = ["train", "corpus.txt", "--out", "base.npz", *OPTIONS, "--max-steps", "5"]
    assert run(*train, cwd=corpus).code == 0
    (corpus / "new.txt").write_text("Zebras & \u00e9migr\u00e9s: " + fables[:1500])
    tune = ["train", "new.txt", "--out", "new.npz", "--init-from", "base.npz", "--epochs", "5"]
    assert run(*tune, "--dropout", "0.5", cwd=corpus).code == 0
    again = run("train", "new.txt", "--out", "new.npz", "--resume", "--epochs", "8", cwd=corpus)
    assert again.code == 0, again.err
    starts = [
        json.loads(line) for line in (corpus / "new.jsonl").read_text().splitlines() if '"start"' in line
    ]
    assert [start["config"]["dropout"] for start in starts] == [0.5, 0.5]
    with np.load(corpus / "base.npz") as base, np.load(corpus / "new.npz") as new:
        assert set(base["vocab"]) < set(new["vocab"])


def test_a_fine_tuned_run_resumes_by_its_own_command_and_from_no_other_checkpoint(corpus):
    base = ["train", "corpus.txt", "--out", "base.npz", *OPTIONS, "--max-steps", "2"]
    assert run(*base, cwd=corpus).code == 0
    tune = ["train", "corpus.txt", "--out", "new.npz", "--init-from", "base.npz", "-q"]
    assert run(*tune, "--max-steps", "2", cwd=corpus).code == 0
    for steps in ("3", "4"):  # the second: what the run began from is not forgotten on the way
        assert run(*tune, "--max-steps", steps, "--resume", cwd=corpus).code == 0
    start = Path(__file__).parent / "format1.npz"
    for name in ("new", "base"):  # the second began from none
        began = ["train", "corpus.txt", "--out", f"{name}.npz", "--resume", "--init-from", start]
        refused = run(*began, cwd=corpus)
        assert refused.code == 2
        wrong = f"--init-from {start} is not the checkpoint that the run of {name}.npz started from"
        assert wrong in refused.err


def test_resuming_with_other_versions_of_the_libraries_is_said(corpus):
    train = ["train", "corpus.txt", "--out", "m.npz"]
    assert run(*train, *OPTIONS, "--max-steps", "2", cwd=corpus).code == 0
    info = run("info", "m.npz", cwd=corpus).out.decode()
    for name, version in VERSIONS.items():
        assert re.search(rf"^{name} +{re.escape(version)}$", info, re.MULTILINE)
    same = run(*train, "--resume", "--max-steps", "3", cwd=corpus)
    assert same.code == 0 and "saved by" not in same.err
    support.rewrite_meta(corpus / "m.last.npz", lambda meta: meta.update(numba="0.1", version="0.0"))
    other = run(*train, "--resume", "--max-steps", "4", cwd=corpus)
    assert other.code == 0
    assert other.err.startswith("saved by charrnn 0.0, numba 0.1: with other versions, the bits may differ")
    support.rewrite_meta(corpus / "m.last.npz", lambda meta: [meta.pop(name) for name in ("python", "numba")])
    older = run(*train, "--resume", "--max-steps", "5", cwd=corpus)  # a file that does not say
    assert older.code == 0 and "saved by" not in older.err


def test_a_torn_line_of_the_log_is_dropped(corpus):
    train = ["train", "corpus.txt", "--out", "m.npz"]
    assert run(*train, *OPTIONS, "--max-steps", "5", cwd=corpus).code == 0
    with (corpus / "m.jsonl").open("a") as log:
        log.write('{"event": "ste')
    assert run(*train, "--resume", "--max-steps", "9", cwd=corpus).code == 0
    assert all(json.loads(line) for line in (corpus / "m.jsonl").read_text().splitlines())
