"""What logs say of runs: losses in order, through resumes and returns; labels that tell runs apart."""

from __future__ import annotations

import math

import logs
import pytest
from logs import start, step, val, write

from charrnn.errors import TextError
from charrnn.plotting.curves import MOST_POINTS, Point, labels, read, smoothed
from charrnn.training.events import Compiled, Resumed, Rewound, Sampled, Saved, Skipped


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
    assert run.train == [Point(1, 100, 0.1, 6.0), Point(10, 1000, 1.0, 4.0)]
    assert run.val == [Point(15, 1500, 1.5, 3.5)]
    assert run.final == 3.5


def test_a_resumed_run_goes_on_from_where_it_was_saved(tmp_path):
    """Steps that a kill undid are left out, and its seconds go on from those of the last that was kept."""
    killed = [start(epochs=6), step(10, 4.0), val(10, 3.9), step(20, 3.0), step(30, 2.9), val(30, 2.8)]
    again = [step(30, 2.5, seconds=1.0), val(30, 2.4, seconds=1.5)]
    nothing_done = [start(epochs=7), Resumed(20, "a.last.npz"), Compiled(1.0), start(epochs=8)]
    path = write(tmp_path / "a.jsonl", *killed, *nothing_done, Resumed(20, "a.last.npz"), *again)
    (run,) = read(path)
    assert run.config["epochs"] == 8
    assert run.train == [Point(10, 1000, 1.0, 4.0), Point(20, 2000, 2.0, 3.0), Point(30, 3000, 3.0, 2.5)]
    assert run.val == [Point(10, 1000, 1.0, 3.9), Point(30, 3000, 3.5, 2.4)]


def test_a_run_killed_before_its_first_step_starts_afresh(tmp_path):
    (run,) = read(write(tmp_path / "a.jsonl", start(), Compiled(1.0), start(), step(10, 4.0)))
    assert len(run.train) == 1


def test_a_return_to_a_good_state_forgets_what_came_after_it_but_not_the_time(tmp_path):
    back = [Rewound(10, 0.5), step(20, 3.0, seconds=5.0)]
    (run,) = read(write(tmp_path / "a.jsonl", start(), step(10, 4.0), step(20, 9.0), val(20, 9.0), *back))
    assert run.train == [Point(10, 1000, 1.0, 4.0), Point(20, 2000, 5.0, 3.0)]
    assert not run.val


def test_logs_that_were_joined_are_several_runs(tmp_path):
    path = write(tmp_path / "a.jsonl", start(seed=1), step(10, 4.0), start(seed=2), step(10, 5.0))
    assert [(run.config["seed"], run.final) for run in read(path)] == [(1, 4.0), (2, 5.0)]


def test_a_line_that_a_kill_cut_short_and_losses_that_are_no_numbers_are_passed_over(tmp_path):
    odd = ["null", "NaN", "Infinity", "-1", "1" + "0" * 400, '"2"', "[2]"]
    lines = [f'{{"event": "step", "step": 5, "chars": 500, "elapsed_s": 1.0, "bpc": {bpc}}}' for bpc in odd]
    lines += ['{"event": "step", "step": 0, "chars": 0, "elapsed_s": 1.0, "bpc": 1.0}', '{"event": "new"}']
    end = "\n".join([*lines, '{"event": "step", "st'])
    (run,) = read(write(tmp_path / "a.jsonl", start(), step(1, 6.0), end=end))
    assert [point.bpc for point in run.train] == [6.0]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", ["has no losses", "first step"]),
        ("PK\x03\x04", ["line 1: no event"]),
        ('{"sample": 0, "text": "a"}\n', ["line 1: no event", "charrnn train wrote"]),
        ("[1, 2]\n", ["line 1: no event"]),
        ("[" * 100_000, ["line 1: no event"]),
        ('{"event": "start", "config": {}}\nodd\n{"event": "end"}\n', ["line 2: no event"]),
        ('{"event": "start", "config": {}}\n{"event": "compiled"}\n', ["has no losses", "first step"]),
    ],
)
def test_what_is_no_log_is_told(text, words, tmp_path):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(TextError) as failure:
        read(tmp_path / "a.jsonl")
    for word in (str(tmp_path / "a.jsonl"), *words):
        assert word in str(failure.value)


def test_smoothing_averages_neighbours_and_keeps_both_ends():
    line = [Point(i, i, i, 6.0 - i / 100) for i in range(100)]
    means = smoothed(line)
    assert [point.step for point in means] == [*range(100)]
    # a straight line's means are the line, but where only one side has neighbours
    assert [p.bpc for p in means[:97]] == pytest.approx([p.bpc for p in line[:97]])
    assert means[-1].bpc == pytest.approx(sum(p.bpc for p in line[-4:]) / 4)
    long = smoothed([Point(i, i, i, 1.0) for i in range(7001)])
    assert len(long) <= MOST_POINTS + 1 and long[0].step == 0 and long[-1].step == 7000
    assert smoothed([]) == [] and smoothed(line[:1]) == line[:1]


def told(tmp_path, *runs, names="abcdefgh", text=""):
    """The labels of runs with these options."""
    paths = [
        logs.run(tmp_path / f"{name}.jsonl", **options) for name, options in zip(names, runs, strict=False)
    ]
    return labels([run for path in paths for run in read(path)])


@pytest.mark.parametrize(
    "options, expected, usual",
    [
        ([{}], ["a"], ""),
        ([{}, {}], ["a", "b"], ""),
        ([{"cell": "gru"}, {"cell": "lstm"}], ["gru", "lstm"], ""),
        ([{"cell": "gru", "dropout": 0.3}, {"cell": "lstm"}], ["gru, dropout 0.3", "lstm, dropout 0.25"], ""),
        # what most runs have is said once
        ([{"dropout": 0.5}, {"cell": "gru"}, {}], ["lstm, dropout 0.5", "gru", "lstm"], "dropout 0.25"),
        ([{"seed": 10}, {}, {}], ["seed 10", "b seed 0", "c seed 0"], "seed 0"),
        ([{"seed": 1234567890}, {}], ["seed 1234567890", "seed 0"], ""),
        # a learning rate that follows from the hidden size says nothing more
        ([{"hidden_size": 512}, {"hidden_size": 128}], ["hidden size 512", "hidden size 128"], ""),
        ([{"lr": 0.5}, {}], ["lr 0.5", "lr 0.01"], ""),
        ([{"optimizer": "sgd"}, {}], ["sgd", "adam"], ""),
        # neither how often a run is saved nor the text's name changes a curve, another text does
        ([{"save_every": 10, "keep_last": 2}, {}], ["a", "b"], ""),
        ([{"cell": "gru"}, {"cell": "gru", "text": "other"}], ["a", "b"], ""),
        ([{"cell": "gru"}, {"cell": "rnn", "text": "other"}], ["a gru", "b rnn"], ""),
    ],
)
def test_a_label_says_what_differs(options, expected, usual, tmp_path):
    assert told(tmp_path, *options) == (expected, usual)


def test_logs_of_the_same_name_are_told_apart_by_their_folders(tmp_path):
    both, _ = told(tmp_path, {}, {}, names=["x/log", "y/log"])
    assert [label[-5:] for label in both] == ["x/log", "y/log"]


def test_what_a_picture_cannot_hold_is_replaced(tmp_path):
    assert told(tmp_path, {}, names=["a\x1b[1m\udcff"]) == (["a?[1m?"], "")
