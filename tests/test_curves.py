"""Curves and labels: runs that have losses, smoothed, and words that tell them apart."""

from __future__ import annotations

import logs
import pytest
from logs import start, step, val, write

from charrnn.errors import LogError
from charrnn.plotting.curves import MOST_POINTS, labels, reached, read, smoothed
from charrnn.training.logs import Point


def test_runs_without_losses_have_no_curve(tmp_path):
    path = write(tmp_path / "a.jsonl", start(seed=1), step(10, 4.0), start(seed=2))
    assert [run.config["seed"] for run in read(path)] == [1]
    with pytest.raises(LogError, match=r"a\.jsonl has no losses; wait for the first step of the run"):
        read(write(tmp_path / "a.jsonl", start()))


def test_a_run_reached_what_its_best_model_does(tmp_path):
    steps = [step(1, 6.0), step(10, 4.0)]
    (run,) = read(write(tmp_path / "a.jsonl", start(), *steps, val(10, 3.0), val(20, 5.0)))
    assert reached(run) == pytest.approx(3.0)
    (run,) = read(write(tmp_path / "a.jsonl", start(), *steps))
    assert reached(run) == pytest.approx(4.0)


def test_smoothing_averages_neighbours_and_keeps_both_ends():
    line = [Point(i, i, i, i, 6.0 - i / 100) for i in range(100)]
    means = smoothed(line)
    assert [point.step for point in means] == [*range(100)]
    # a straight line's means are the line, but where only one side has neighbours
    assert [p.loss for p in means[:97]] == pytest.approx([p.loss for p in line[:97]])
    assert means[-1].loss == pytest.approx(sum(p.loss for p in line[-4:]) / 4)
    long = smoothed([Point(i, i, i, i, 1.0) for i in range(7001)])
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


def test_runs_of_one_log_have_its_name_and_of_a_lost_beginning_no_options_are_told(tmp_path):
    joined = write(
        tmp_path / "x" / "log.jsonl", step(10, 4.0), start(seed=1), step(10, 4.0), start(), step(10, 4.0)
    )
    assert labels(read(joined))[0] == ["log", "log seed 1", "log seed 0"]


def test_what_a_picture_cannot_hold_is_replaced(tmp_path):
    assert told(tmp_path, {}, names=["a\x1b[1m\udcff"]) == (["a?[1m?"], "")
