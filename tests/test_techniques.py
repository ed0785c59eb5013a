"""Attention, scheduled sampling and rectified units: learned with, and through the command line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
from program import TEXT, run

from charrnn import cells
from charrnn.config import BenchSetup, ModelConfig, TrainConfig
from charrnn.errors import UsageError
from charrnn.model.network import Network
from charrnn.model.shard import Shard
from charrnn.parallel.threads import Team
from charrnn.text.streams import Streams
from charrnn.training.learner import Learner

WORD, GAP = 6, 8
PERIOD = 2 * WORD + GAP + 1


def copies(lines: int, seed: int) -> np.ndarray:
    """Ids of lines of six random letters of four, eight dots, the same six and a newline."""
    draw = random.Random(seed)
    words = ("".join(draw.choices("abcd", k=WORD)) for _ in range(lines))
    text = "".join(word + "." * GAP + word + "\n" for word in words)
    return np.array(["\n.abcd".index(character) for character in text], np.uint8)


def loss_of_the_copy(attention: int) -> float:
    """Nats for each letter that is repeated, in lines never seen, after 250 steps."""
    steps, config = 2 * PERIOD, TrainConfig(lr=0.02)
    net = Network(ModelConfig("gru", 32, dropout=0.0, dtype="float64", attention=attention), 6, seed=1)
    learner, streams = Learner(net, 16, steps, config, Team(1)), Streams.of(copies(1000, 0), 16, steps)
    for number in range(250):
        learner.step(*streams.chunk(number % streams.chunks), config.lr, number, number)
    net.pack(back=False)
    text = copies(100, 1)[None]
    nats = Shard(net, 1, text.size).score(text[:, :-1], text[:, 1:])[0]
    return float(nats[(np.arange(1, text.size) % PERIOD >= WORD + GAP) & (text[0, 1:] > 1)].mean())


def test_attention_copies_what_a_state_forgets():
    with_it, without = loss_of_the_copy(24), loss_of_the_copy(0)
    assert without > 3 * with_it


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    return tmp_path


def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("info", "m.npz", "--json", cwd=folder).out)
    return found


def test_a_run_with_attention_and_drawn_inputs(folder):
    """Trained, resumed, shown, scored and sampled from."""
    options = ["--cell", "gru", "--hidden-size", 8, "--attention", 16, "--teacher-forcing", 0.9]
    train = ["train", "text.txt", "--out", "m.npz", *options, "--batch-size", 4, "--seq-len", 24]
    dry = run(*train, "--dry-run", cwd=folder)
    assert "attention over 16 steps" in dry.out.decode()
    assert run(*train, "--max-steps", 8, cwd=folder).code == 0
    refused = run(*train[:4], "--resume", "--teacher-forcing", 0.8, cwd=folder)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "--teacher-forcing is 0.8, but the saved training has 0.9" in refused.err
    resumed = run(*train[:4], "--resume", "--max-steps", 12, cwd=folder)
    assert resumed.code == 0, resumed.err
    shown = facts(folder)
    assert (shown["model"]["attention"], shown["training"]["teacher_forcing"]) == (16, 0.9)
    assert shown["arrays"]["attn.lag.bias"] == [16]
    plain = run("info", "m.npz", cwd=folder).out.decode()
    assert "  attention             16\n" in plain and "  teacher_forcing       0.9\n" in plain
    scored = run("eval", "m.npz", "text.txt", "--json", cwd=folder)
    assert 0 < json.loads(scored.out)["texts"][0]["loss"] < 4
    assert len(run("sample", "m.npz", "--length", 50, "-q", cwd=folder).out.decode()) >= 50


def test_rectified_units_learn():
    """A line by heart, to be drawn again."""
    net = Network(ModelConfig("rnn_relu", 48, dropout=0.0, dtype="float64"), 9, seed=0)
    learner = Learner(net, 4, 16, TrainConfig(), Team(1))
    text = np.tile(np.random.default_rng(0).permutation(9), 200)
    streams = Streams.of(text, 4, 16)
    losses, updates = [], 0
    for n in range(200):
        loss, _, learned = learner.step(*streams.chunk(n % streams.chunks), 5e-3, n, updates)
        losses.append(loss)
        updates += learned
    assert losses[0] > 2
    assert losses[-1] < 0.02


def test_rectified_units_are_0_or_what_comes_in():
    net = support.network("rnn_relu", 9, 33, num_layers=2, dtype="float64")
    shard = Shard(net, 3, 7)
    shard.score(*support.chunk(9, 3, 7))
    h = shard.work(7).s[:, 0, 1:]
    assert h.min() == 0 and 0.1 < (h == 0).mean() < 0.9


@pytest.mark.parametrize("setup", [BenchSetup(4, 2, 2, 3), BenchSetup(4, 2)], ids=["train", "sample"])
def test_pytorch_has_twins_to_be_timed_with(setup):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from charrnn.bench import pytorch

    made = pytorch.training if setup.batch_size else pytorch.sampling
    assert {*pytorch.KINDS} <= {*cells.names()}
    for cell in pytorch.KINDS:
        assert made(cell, setup, 5, 1)() > 0
    with pytest.raises(UsageError, match="PyTorch has no elman"):
        made("elman", setup, 5, 1)
