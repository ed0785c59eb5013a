"""What a run may take, and the learning rate that comes down until then: by steps, by time, and anew."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from program import SMALL, UNIX, run
from support import rewrite_meta

from charrnn.checkpoint.reading import load
from charrnn.checkpoint.run_progress import Progress
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import UsageError
from charrnn.parallel.ranks import ALONE
from charrnn.text.corpus import from_text
from charrnn.training import events, speed
from charrnn.training.budget import Budget
from charrnn.training.clock import Clock
from charrnn.training.plan import Plan
from charrnn.training.setup import Request, prepare
from charrnn.training.trainer import Trainer

TEXT = "the quick brown fox jumps over the lazy dog\n" * 30
OPTIONS = {"lr": 0.01, "epochs": 4.0, "batch_size": 4, "seq_len": 16, "warmup": 0, "threads": 1}
MODEL = ModelConfig("gru", 8, dropout=0.2)


class Stopped(Clock):
    """A clock that stands where it is told."""

    now = 0.0

    @property
    def elapsed_s(self) -> float:
        return self.now


def budget(**options) -> tuple[Budget, Stopped]:
    plan = Plan.of(from_text(TEXT), MODEL, TrainConfig(**(OPTIONS | options)))
    clock = Stopped()
    return Budget(plan.of_rank(), ALONE, clock), clock


def made(path: Path, **options) -> Trainer:
    plan = Plan.of(from_text(TEXT), MODEL, TrainConfig(**(OPTIONS | options)))
    return Trainer(plan.of_rank(), path)


def rates(trainer: Trainer, stop: int | None = None) -> list[tuple[int, float, float]]:
    log = []
    for event in trainer.run():
        if isinstance(event, events.Step):
            log.append((event.step, event.lr, event.loss))
            if event.step == stop:
                trainer.stop()
    return log


def test_a_schedule_over_time_follows_the_clock_and_ends_at_the_limit():
    mine, clock = budget(max_time=10.0, schedule_over="time", epochs=1000.0)
    found = []
    for clock.now in (0.0, 2.5, 5.0, 7.5, 9.999):
        found.append(mine.rate(Progress(step=20)))
        assert mine.reason_to_end(Progress(step=20), stopped=False) == ""
    halves = 0.5 * (1 + np.cos(np.pi * np.array([0.0, 0.25, 0.5, 0.75, 0.9999])))
    steps = 0.5 * (1 + np.cos(np.pi * 20 / mine.plan.total_steps))
    assert found == pytest.approx(0.01 * np.minimum(halves, steps), rel=1e-5)
    clock.now = 10.0
    assert mine.reason_to_end(Progress(step=20), stopped=False) == "time"


def test_a_schedule_over_time_counts_the_seconds_of_earlier_processes():
    mine, clock = budget(max_time=10.0, schedule_over="time", epochs=1000.0)
    clock.before, clock.now = 6.0, 1.5
    assert mine.rate(Progress(step=0)) == pytest.approx(0.005 * (1 + np.cos(np.pi * 0.75)), rel=1e-5)
    clock.now = 4.0
    assert mine.reason_to_end(Progress(step=0), stopped=False) == "time"


def test_a_limit_beside_epochs_is_each_process_own_and_moves_no_rate():
    mine, clock = budget(max_time=10.0)
    before = mine.rate(Progress(step=30))
    clock.before, clock.now = 100.0, 9.0
    assert mine.rate(Progress(step=30)) == before
    assert mine.reason_to_end(Progress(step=30), stopped=False) == ""
    assert mine.seconds() == 0.0  # nothing of a clock is saved


def test_a_run_that_ended_goes_on_with_a_schedule_of_its_own(tmp_path):
    first = rates(made(tmp_path / "m.npz"))
    assert first[-1][1] < 1e-4
    more = made(tmp_path / "m.npz", epochs=8.0)
    assert "restarts at 0.01" in more.resume()
    again = rates(more)
    assert [step for step, *_ in again] == [*range(len(first) + 1, 2 * len(first) + 1)]
    assert [rate for _, rate, _ in again] == [rate for _, rate, _ in first]


def test_going_on_anew_and_being_stopped_changes_no_bit(tmp_path):
    logs = []
    for name, stop in (("a", None), ("b", 100)):
        rates(made(tmp_path / f"{name}.npz"))
        more = made(tmp_path / f"{name}.npz", epochs=8.0)
        more.resume()
        log = rates(more, stop)
        if stop:
            rest = made(tmp_path / f"{name}.npz", epochs=8.0)
            assert rest.resume() == ""
            log += rates(rest)
        logs.append(log)
    assert logs[0] == logs[1]
    arrays = [load(tmp_path / f"{name}.last.npz").network.flat for name in "ab"]
    assert np.array_equal(*arrays)


def test_a_return_to_a_saved_state_keeps_the_new_schedule(tmp_path):
    """Where nothing was saved since the run went on: the file knows of the old one alone."""
    first = rates(made(tmp_path / "m.npz"))
    more = made(tmp_path / "m.npz", epochs=8.0)
    more.resume()
    list(more._rewind(9.0))
    assert more.progress.schedule_step == len(first)
    assert more.budget.rate(more.progress) == 0.005  # the whole rate, halved by the return


def test_a_run_that_was_stopped_before_its_end_keeps_its_schedule(tmp_path):
    rates(made(tmp_path / "m.npz"), stop=30)
    more = made(tmp_path / "m.npz", epochs=8.0)
    assert more.resume() == ""
    rate = rates(more)[0][1]
    assert rate == pytest.approx(0.005 * (1 + np.cos(np.pi * 30 / more.plan.total_steps)))


def test_spanning_a_time_that_has_no_limit_is_refused():
    with pytest.raises(UsageError, match="max_time is 0"):
        TrainConfig(schedule_over="time")


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "text.txt").write_bytes(UNIX.encode())
    return tmp_path


RUN = ["train", "text.txt", *SMALL, "--out", "m.npz"]


def test_an_ended_run_takes_a_learning_rate_and_one_that_did_not_end_refuses_it(folder):
    assert run(*RUN, "--epochs", 1, cwd=folder).code == 0
    refused = run(*RUN, "--epochs", 1, "--resume", "--hidden-size", 9, cwd=folder)
    assert (refused.code, "--hidden-size" in refused.err) == (2, True)
    done = run(*RUN, "--epochs", 2, "--lr", 0.003, "--resume", cwd=folder)
    assert done.code == 0 and "restarts at 0.003" in done.err
    found = load(folder / "m.last.npz").meta
    assert (found["training"]["lr"], found["training"]["epochs"]) == (0.003, 2.0)
    assert run(*RUN, "--epochs", 9, "--max-time", "0.01s", "--resume", "-q", cwd=folder).code == 0
    refused = run(*RUN, "--epochs", 9, "--lr", 0.001, "--resume", cwd=folder)
    assert (refused.code, "--lr" in refused.err) == (2, True)


def test_a_time_limit_alone_is_spanned_told_and_saved(folder):
    done = run(*RUN, "--max-time", "2s", cwd=folder)
    assert done.code == 0
    meta = load(folder / "m.npz").meta
    assert (meta["training"]["schedule_over"], meta["training"]["max_time"]) == ("time", 2.0)
    steps = [json.loads(line) for line in (folder / "m.jsonl").read_text().splitlines()]
    last = [each["lr"] for each in steps if each["event"] == "step"][-1]
    assert last < 0.1 * meta["training"]["lr"]
    again = run(*RUN, "--max-time", "2s", "--resume", cwd=folder)
    assert again.code == 0 and "nothing left to do" in again.err


def test_every_command_that_made_a_model_is_told_and_its_test_score(folder):
    assert run(*RUN, "--epochs", 1, "--test-fraction", 0.2, cwd=folder).code == 0
    assert run(*RUN, "--epochs", 2, "--resume", "--test-fraction", 0.2, cwd=folder).code == 0
    assert (
        run(*RUN, "--epochs", 2, "--resume", "--test-fraction", 0.2, "-q", cwd=folder).code == 0
    )  # nothing left
    tune = ["train", "text.txt", "--init-from", "m.npz", "--epochs", 1, "--out", "n.npz", "-q"]
    assert run(*tune, cwd=folder).code == 0
    meta = json.loads(run("info", "n.npz", "--json", cwd=folder).out)
    assert [command.split(" --")[-1] for command in meta["commands"]] == ["test-fraction 0.2"] * 2 + [
        "out n.npz -q"
    ]
    assert "--resume" in meta["commands"][1]
    shown = run("info", "m.npz", cwd=folder).out.decode()
    assert shown.count("charrnn train") == 2 and "\nthen  " in shown
    meta = json.loads(run("info", "m.npz", "--json", cwd=folder).out)
    scored = json.loads((folder / "m.jsonl").read_text().splitlines()[-2])
    assert scored["split"] == "test" and meta["test"]["loss"] == scored["loss"]


def test_a_run_that_a_slice_of_time_ended_just_goes_on(folder):
    """Whatever the slice, which is over as soon as it begins."""
    slices = [*RUN, "--epochs", 9, "--max-time", "0.001s"]
    assert run(*slices, cwd=folder).code == 0
    done = run(*slices, "--resume", cwd=folder)
    assert done.code == 0 and "nothing left" not in done.err


def test_processes_share_the_time(folder, monkeypatch):
    """Two get twice the epochs of one in it."""
    asked = []
    monkeypatch.setattr(speed, "seconds", lambda plan, processes: asked.append(processes) or 10.0 / processes)
    model, config = ModelConfig("rnn", 8), TrainConfig(max_time=15.0, seq_len=16)
    given = {"hidden_size", "num_layers", "max_time", "seq_len"}
    epochs = [
        prepare(
            Request([folder / "text.txt"], model, config, folder / "m.npz", given, processes=number)
        ).plan.config.epochs
        for number in (1, 2)
    ]
    assert asked == [1, 2] and epochs[1] == pytest.approx(2 * epochs[0])


def test_more_time_for_a_run_whose_time_was_up_is_used_up(folder):
    """As many steps more as it had taken: those that the first time was enough for are no limit."""
    assert run(*RUN, "--max-time", "2s", cwd=folder).code == 0
    before = load(folder / "m.last.npz").meta
    done = run(*RUN, "--max-time", "4s", "--resume", cwd=folder)
    assert done.code == 0 and "restarts at" in done.err
    after = load(folder / "m.last.npz").meta
    assert after["training"]["epochs"] == 2 * before["training"]["epochs"]
    assert after["progress"]["schedule_step"] == before["progress"]["step"]
    assert re.search(r", at the start of the run; now at most [\d.]+ epochs and 4 s$", after["fitted"])


@pytest.mark.parametrize("budget", [("--epochs", 3), ("--max-steps", 90)])
def test_steps_may_follow_a_time_that_is_up(folder, budget):
    train = ["train", "text.txt", *SMALL, "--out", "m.npz", "--max-time", "0.2s"]
    assert run(*train, cwd=folder).code == 0
    then = load(folder / "m.last.npz").meta["progress"]["step"]
    chunks = 38
    name, count = budget
    goal = then + count * (chunks if name == "--epochs" else 1)
    told = {"--epochs": goal / chunks, "--max-steps": goal}[name]
    done = run("train", "text.txt", *SMALL, "--out", "m.npz", name, told, "--resume", cwd=folder)
    assert done.code == 0
    meta = load(folder / "m.last.npz").meta
    assert meta["progress"]["step"] == pytest.approx(goal, abs=1)
    assert (meta["training"]["schedule_over"], meta["training"]["max_time"]) == ("steps", 0.0)


def test_what_a_file_says_was_fitted_is_shown_without_its_control_characters(folder):
    assert run(*RUN, "--epochs", 1, cwd=folder).code == 0
    rewrite_meta(folder / "m.last.npz", lambda meta: meta.update(fitted="\x1b]0;title\x07\nx"))
    for more in ([], ["--dry-run"]):
        done = run(*RUN, "--epochs", 2, "--resume", *more, cwd=folder)
        assert done.code == 0 and "title" in done.err + done.out.decode()
        assert "\x1b" not in done.err + done.out.decode() and "\x07" not in done.err + done.out.decode()


def test_a_rate_that_is_given_where_nothing_is_left_is_not_kept(folder):
    assert run(*RUN, "--epochs", 1, cwd=folder).code == 0
    before = load(folder / "m.last.npz").meta["training"]
    assert run(*RUN, "--epochs", 1, "--lr", 0.001, "--resume", cwd=folder).code == 0
    assert load(folder / "m.last.npz").meta["training"] == before
