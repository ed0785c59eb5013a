"""Settings in a TOML file: read, refused, and printed by info for the same model once more."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from program import UNIX, run

from charrnn.checkpoint.reading import load
from charrnn.cli.settings import toml

FILE = """
cell = "rnn"
hidden-size = 8
seq_len = 16
batch_size = 4
max_steps = 30
lr = 0.01
shuffle_lines = true
"""


def test_a_file_sets_options_and_the_command_line_wins(tmp_path: Path):
    (tmp_path / "t.txt").write_text(UNIX)
    (tmp_path / "run.toml").write_text(FILE + 'out = "named"\nmax_time = "5m"\n')
    done = run("train", "t.txt", "--config", "run.toml", "--hidden-size", 9, cwd=tmp_path)
    assert done.code == 0, done.err
    meta = load(tmp_path / "named.npz").meta
    assert (meta["model"]["cell"], meta["model"]["hidden_size"]) == ("rnn", 9)
    training = meta["training"]
    assert (training["lr"], training["max_steps"], training["max_time"]) == (0.01, 30, 300.0)
    assert training["shuffle_lines"] and "batch" not in meta["fitted"]


def test_info_prints_what_trains_the_same_model_again(tmp_path: Path):
    (tmp_path / "t.txt").write_text(UNIX)
    assert (
        run(
            "train", "t.txt", "--epochs", 1, "--cell", "rnn", "--hidden-size", 8, "--out", "a", cwd=tmp_path
        ).code
        == 0
    )
    printed = run("info", "a.npz", "--toml", cwd=tmp_path).out.decode()
    assert printed.startswith("# charrnn train t.txt") or printed.startswith("# ")
    (tmp_path / "run.toml").write_text(printed)
    assert run("train", "t.txt", "--config", "run.toml", "--out", "b", cwd=tmp_path).code == 0
    np.testing.assert_array_equal(
        load(tmp_path / "a.npz").network.flat, load(tmp_path / "b.npz").network.flat
    )


def test_what_a_stranger_says_stays_in_its_line():
    shown = toml({"model": {"cell": "rnn"}, "command": "x\nseed = 3\x1b", "training": {"encoding": 'a"\n'}})
    assert tomllib.loads(shown) == {"cell": "rnn", "encoding": 'a"\n'} and "\x1b" not in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cell = ", "is not valid TOML"),
        ("hidden = 3", "there is no option hidden"),
        ("hidden_size = 3.5", "it must be a whole number"),
        ("hidden_size = true", "it must be a whole number"),
        ("dropout = '0.3'", "it must be a number"),
        ("out = 3", "write a file name in quotes"),
        ("dropout = 2", "dropout is 2"),
        ("schedule_over = 'time'", "there is no option"),
    ],
)
def test_what_cannot_be_is_one_line(text, words, tmp_path: Path):
    (tmp_path / "t.txt").write_text(UNIX)
    (tmp_path / "run.toml").write_text(text)
    done = run("train", "t.txt", "--config", "run.toml", cwd=tmp_path)
    assert done.code == 2 and words in done.err and done.err.count("\n") == 1
    assert run("train", "t.txt", "--config", "none.toml", cwd=tmp_path).code == 2
