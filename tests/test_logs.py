"""What logs say of runs: losses in order, through resumes and returns; the best model; how a run ended."""

from __future__ import annotations

import math

import pytest
from logs import CHARS, end, start, step, val, write

from charrnn.errors import LogError, TextError
from charrnn.training.events import Compiled, Resumed, Rewound, Sampled, Saved, Skipped
from charrnn.training.logs import Point, read


def point(at: int, bpc: float, seconds: float | None = None) -> Point:
    """What `step` and `val` of the same arguments are in a run."""
    elapsed = at / 10 if seconds is None else seconds
    return Point(at, at / 10, at * CHARS, elapsed, bpc * math.log(2))


def test_losses_of_steps_and_validations(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        start(cell="gru"),
        Compiled(3.0),
        step(1, 6.0),
        step(10, 4.0),
        Sampled(10, "text"),
        Skipped(11, math.nan, math.inf),
        val(15, 3.5),
        Saved(15, "a.npz", "best"),
        val(15, 3.0, split="test"),
    )
    (run,) = read(path)
    assert run.config["cell"] == "gru"
    assert run.train == [point(1, 6.0), point(10, 4.0)]
    assert run.val == [point(15, 3.5)] == [run.best]
    assert run.val[0].bpc == pytest.approx(3.5) and run.test == pytest.approx(3.0 * math.log(2))
    assert (run.epochs, run.seconds, run.ended) == (1.5, 1.5, "")


def test_a_resumed_run_goes_on_from_where_it_was_saved(tmp_path):
    """Steps that a kill undid are left out, and its seconds go on from those of the last that was kept."""
    killed = [start(epochs=6), step(10, 4.0), val(10, 3.9), step(20, 3.0), step(30, 2.9), val(30, 2.8)]
    again = [step(30, 2.5, seconds=1.0), val(30, 2.4, seconds=1.5)]
    nothing_done = [start(epochs=7), Resumed(20, "a"), Compiled(1.0), start(epochs=8)]
    path = write(tmp_path / "a.jsonl", *killed, *nothing_done, Resumed(20, "a"), *again)
    (run,) = read(path)
    assert run.config["epochs"] == 8
    assert run.train == [point(10, 4.0), point(20, 3.0), point(30, 2.5, seconds=3.0)]
    assert run.val == [point(10, 3.9), point(30, 2.4, seconds=3.5)]
    assert run.seconds == 3.5


def test_a_run_killed_before_its_first_step_starts_afresh(tmp_path):
    (run,) = read(write(tmp_path / "a.jsonl", start(), Compiled(1.0), start(), step(10, 4.0)))
    assert len(run.train) == 1
    (run,) = read(write(tmp_path / "a.jsonl", start(), end("interrupted"), start(epochs=8), Resumed(0, "a")))
    assert run.config["epochs"] == 8


def test_a_run_that_has_done_nothing_is_told_if_it_ended_or_is_the_last(tmp_path):
    path = write(tmp_path / "a.jsonl", start(seed=1), end("diverged"), start(seed=2), start(seed=3))
    assert [(run.config["seed"], run.ended) for run in read(path)] == [(1, "diverged"), (3, "")]


def test_a_resumed_run_has_neither_ended_nor_been_tested(tmp_path):
    over = [val(20, 3.0), val(20, 3.1, split="test"), end("steps")]
    path = write(tmp_path / "a.jsonl", start(), step(10, 4.0), *over)
    (run,) = read(path)
    assert run.ended == "steps" and run.test
    (run,) = read(write(path, start(), step(10, 4.0), *over, start(), Resumed(20, "a")))
    assert (run.ended, run.test) == ("", None)


def test_the_best_is_the_first_of_the_lowest_validations(tmp_path):
    losses = [val(10, 3.0), val(20, 2.5), val(30, 2.5), val(40, 2.8), val(50, 2.0, split="test")]
    (run,) = read(write(tmp_path / "a.jsonl", start(), step(10, 4.0), *losses))
    assert run.best == point(20, 2.5)


def test_a_best_that_a_kill_undid_is_sought_among_what_is_left(tmp_path):
    """And one that was saved before stays."""
    log = [start(), step(10, 4.0), val(10, 3.5), val(20, 3.6), val(30, 3.0), start()]
    (run,) = read(write(tmp_path / "a.jsonl", *log, Resumed(20, "a")))
    assert run.best == point(10, 3.5)
    (run,) = read(write(tmp_path / "a.jsonl", *log, Resumed(30, "a")))
    assert run.best == point(30, 3.0)
    (run,) = read(write(tmp_path / "a.jsonl", *log, Resumed(5, "a")))
    assert run.best is None
    back = [start(), step(10, 4.0), val(20, 3.0), Rewound(10, 0.5), val(20, 3.2), start(), Resumed(20, "a")]
    (run,) = read(write(tmp_path / "a.jsonl", *back))
    assert run.best == point(20, 3.0)


@pytest.mark.parametrize("lower", [True, False])
def test_the_end_knows_a_best_that_the_log_does_not(lower, tmp_path):
    """An earlier process, of another log, may have found it; or its file was lost, and one found anew."""
    log = [start(), Resumed(20, "a"), step(30, 4.0), val(30, 3.5), val(40, 3.6)]
    best = val(20, 3.0) if lower else val(40, 3.6)
    (run,) = read(write(tmp_path / "a.jsonl", *log, end("epochs", best)))
    assert run.best and (run.best.step, run.best.loss) == (best.step, best.loss)
    assert (run.best in run.val) == (not lower)


def test_without_validation_there_is_no_best(tmp_path):
    (run,) = read(write(tmp_path / "a.jsonl", start(), step(10, 4.0), end("epochs")))
    assert run.best is None and run.ended == "epochs" and run.epochs == 1.0


def test_a_return_to_a_good_state_forgets_what_came_after_it_but_not_the_time(tmp_path):
    back = [Rewound(10, 0.5), step(20, 3.0, seconds=5.0)]
    (run,) = read(write(tmp_path / "a.jsonl", start(), step(10, 4.0), step(20, 9.0), val(20, 9.0), *back))
    assert run.train == [point(10, 4.0), point(20, 3.0, seconds=5.0)]
    assert not run.val
    assert run.best == point(20, 9.0), "the model was saved, and is kept until there is a better one"


def test_logs_that_were_joined_are_several_runs(tmp_path):
    path = write(tmp_path / "a.jsonl", start(seed=1), step(10, 4.0), start(seed=2), step(10, 5.0))
    assert [(run.config["seed"], run.train) for run in read(path)] == [
        (1, [point(10, 4.0)]),
        (2, [point(10, 5.0)]),
    ]


def test_a_line_that_a_kill_cut_short_and_losses_that_are_no_numbers_are_passed_over(tmp_path):
    odd = ["null", "NaN", "Infinity", "-1", "1" + "0" * 400, '"2"', "[2]"]
    figures = {"step": "5", "chars": "500", "epoch": "0.5", "elapsed_s": "1.0", "loss": "1.0"}
    lines = [line(**figures | {name: value}) for name in figures for value in odd]
    cut = "\n".join([*lines, line(**figures | {"step": "0"}), '{"event": "new"}', '{"event": "step", "st'])
    (run,) = read(write(tmp_path / "a.jsonl", start(), step(1, 6.0), end=cut))
    assert run.train == [point(1, 6.0)]
    (run,) = read(write(tmp_path / "a.jsonl", start(), step(1, 6.0), end=line(**figures)))
    assert len(run.train) == 2


def line(**figures: str) -> str:
    return '{"event": "step", ' + ", ".join(f'"{name}": {value}' for name, value in figures.items()) + "}"


@pytest.mark.parametrize(
    "text, words",
    [
        ("", ["has no losses", "first step"]),
        ("PK\x03\x04", ["line 1 of "]),
        ('{"sample": 0, "text": "a"}\n', ["line 1 of ", "charrnn train wrote"]),
        ("[1, 2]\n", ["line 1 of "]),
        ("[" * 100_000, ["line 1 of "]),
        ('{"event": "start", "config": {}}\nodd\n{"event": "end"}\n', ["line 2 of "]),
    ],
)
def test_what_is_no_log_is_told(text, words, tmp_path):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(LogError) as failure:
        read(tmp_path / "a.jsonl")
    for word in (str(tmp_path / "a.jsonl"), *words):
        assert word in str(failure.value)


def test_a_file_that_cannot_be_read_is_no_matter_of_logs(tmp_path):
    with pytest.raises(TextError, match="cannot be read: Is a directory") as failure:
        read(tmp_path)
    assert not isinstance(failure.value, LogError)
