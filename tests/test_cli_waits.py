"""A step or a validation that takes long says so while it runs: in the picture, or in a line of its own."""

from __future__ import annotations

import io
import json
import signal
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import logs
import pytest
from program import SMALL, TEXT, run, terminal, wait
from rich.console import Console

from charrnn.cli import display
from charrnn.cli.run_figures import Figures
from charrnn.config import ModelConfig, TrainConfig
from charrnn.text.corpus import from_text
from charrnn.training.events import Compiled, Evaluating, Event, Resumed, Saved, Skipped
from charrnn.training.plan import Plan
from charrnn.training.trainer import Trainer

COMPILED, SAVED = Compiled(1.0), Saved(0, "m.last.npz", "last")
RUNNING = {
    "the first step": ([COMPILED, SAVED], "step 1 of 100 is running"),
    "the first of a resumed run": ([Resumed(40, "m.last.npz"), COMPILED], "step 41 of 100 is running"),
    "a validation": ([COMPILED, logs.step(1, 6.0), Evaluating("val")], "the validation is running"),
    "the test": ([COMPILED, logs.step(1, 6.0), Evaluating("test")], "the test is running"),
    "one that a kill took": ([Resumed(40, "x"), COMPILED, Evaluating("val")], "the validation is running"),
    "the first step after it": (
        [Resumed(40, "x"), COMPILED, Evaluating("val"), logs.val(40, 3.0)],
        "step 41 of 100 is running",
    ),
}
AT_REST = {
    "compiling": [],
    "later steps": [COMPILED, logs.step(1, 6.0)],
    "after a validation": [COMPILED, logs.step(1, 6.0), Evaluating("val"), logs.val(1, 5.0)],
    "a first step not learned": [COMPILED, Skipped(1, 9.0, 1.0)],
}


def narrated(events: list[Event], written: io.StringIO) -> display.Narrator:
    narrator = display.Narrator(Console(file=written, width=200), Figures(), None, None, ExitStack())  # type: ignore[arg-type]
    start = replace(logs.start(), corpus={"train": 90, "val": 10, "vocab": 3})
    for event in [start, *events]:
        narrator(event)
    return narrator


@pytest.mark.parametrize("name", RUNNING)
def test_what_runs_for_some_seconds_is_named_once(name, monkeypatch):
    events, line = RUNNING[name]
    monkeypatch.setattr(display, "LINE", 0.01)
    written = io.StringIO()
    narrator = narrated(events[:-1], io.StringIO())
    narrator.console.file = written
    narrator(events[-1])
    wait(lambda: line in written.getvalue())
    narrator.stop_waiting()
    assert written.getvalue().count("is running") <= 2  # the one before it may have been named too


@pytest.mark.parametrize("name", [*RUNNING, *AT_REST])
def test_what_ends_in_time_is_not_named_and_leaves_no_thread(name, monkeypatch):
    before, written = threading.active_count(), io.StringIO()
    narrator = narrated(RUNNING[name][0] if name in RUNNING else AT_REST[name], written)
    waiting = threading.active_count() - before
    assert waiting >= (name in RUNNING)
    narrator.stop_waiting()
    wait(lambda: threading.active_count() == before)
    assert "is running" not in written.getvalue()


def test_events_say_what_begins_and_the_log_does_not(tmp_path):
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    options = [*SMALL, "--max-steps", "2", "--eval-every", "1", "--test-fraction", "0.1", "--out", "m.npz"]
    assert run("train", "text.txt", *options, "-q", cwd=tmp_path).err == ""
    told = [json.loads(line)["event"] for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert told.count("eval") == 3 and "evaluating" not in told
    config = TrainConfig(max_steps=2, eval_every=1, test_fraction=0.1, batch_size=4, seq_len=16, threads=1)
    plan = Plan.of(from_text(TEXT), ModelConfig("rnn", 8), config)
    names = [event.name for event in Trainer(plan.of_rank(), tmp_path / "n.npz").run()]
    begun = [names[at + 1] for at, name in enumerate(names) if name == "evaluating"]
    assert begun == ["eval"] * 3


def test_on_a_terminal_the_picture_stands_while_the_first_step_runs(tmp_path: Path):
    """And says so when it validates: a text of which a part is trained on, and all is validated on."""
    (tmp_path / "text.txt").write_bytes(TEXT.encode() * 10)
    (tmp_path / "val.txt").write_bytes(TEXT.encode() * 20)
    slow = [
        "--hidden-size",
        1000,
        "--seq-len",
        200,
        "--batch-size",
        32,
        "--max-steps",
        100,
        "--eval-every",
        1,
    ]
    with terminal("train", "text.txt", *slow, "--val", "val.txt", "--out", "m.npz", cwd=tmp_path) as tty:
        tty.read(until="first step")
        assert "━" in tty.shown and "chars/s" not in tty.shown
        assert '"step"' not in (tmp_path / "m.jsonl").read_text().replace('"step": 0', "")
        tty.read(until="validation")
        tty.process.send_signal(signal.SIGINT)
        assert tty.end() == 130
