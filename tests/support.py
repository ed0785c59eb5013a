"""Small models with large weights, random texts, and what to ask of a network, for every test."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.array_types import Array
from charrnn.checkpoint import npz
from charrnn.checkpoint.reading import load
from charrnn.config import ModelConfig
from charrnn.errors import CheckpointError
from charrnn.kernels import model
from charrnn.model.network import Network
from charrnn.model.pytorch import named
from charrnn.model.shard import Shard
from charrnn.parallel.threads import Team
from charrnn.scoring.reader import Reader

FABLES = Path(__file__).parent.parent / "corpora" / "fables.txt"
GOLDEN = Path(__file__).parent / "golden_torch.npz"
CELLS = ["gru", "lstm", "rnn"]  # rnn_relu differs from rnn in one line and has fewer tests
DTYPES = ["float32", "float64"]
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # characters that must not reach a terminal


def network(cell: str, vocab: int, hidden: int = 6, seed: int = 0, **config: Any) -> Network:
    """A network whose every parameter is random, biases too, and large enough to bend the activations."""
    made = Network(ModelConfig(cell, hidden, **{"dropout": 0.0, **config}), vocab)
    bound = 2 / np.sqrt(hidden)
    made.flat[...] = np.random.default_rng(seed).uniform(-bound, bound, made.flat.size)
    made.pack()
    return made


def chunk(vocab: int, batch: int, steps: int, seed: int = 0) -> tuple[Array, Array]:
    """Inputs and targets (B, T) of a random text."""
    text = np.random.default_rng(seed).integers(0, vocab, (batch, steps + 1))
    return text[:, :-1], text[:, 1:]


def state(shard: Shard, seed: int = 0) -> Array:
    """A random state (L, states, B, H), as if carried from an earlier chunk."""
    return np.random.default_rng([seed, 7]).uniform(-0.9, 0.9, shard.rows_of_state.shape)


def gradient(
    shard: Shard, inputs: Array, targets: Array, key: int = 0
) -> tuple[float, dict[str, Array], Array]:
    """Mean nats, its gradient by name, and by the carried state (L, states, B, H)."""
    layout = shard.network.layout
    grad = np.full(layout.size, np.nan, shard.state.dtype)  # earlier contents must not matter
    nats = shard.gradient(inputs, targets, grad, layout.views(grad), 1 / inputs.size, key)
    carried = shard.work(inputs.shape[1]).ds.reshape(shard.rows_of_state.shape)
    return nats / inputs.size, named(layout, grad), carried.copy()


def logits(shard: Shard, inputs: Array) -> Array:
    """The logits (B, T, V) of a chunk, before the softmax; the state is not carried on."""
    batch, steps = inputs.shape
    work, of = shard.work(steps), shard.network
    work.ids.reshape(steps, batch)[...] = inputs.T
    model.forward(of.cell, of.weights, of.panels, work, 0.0, np.uint64(0))
    return work.logits[0].reshape(steps, batch, -1).transpose(1, 0, 2).copy()


def nats(network: Network, ids: Array, team: Team) -> Array:
    """-ln p of each character after the first (len(ids) - 1,)."""
    return Reader(network, team).read(ids).nats[1:]


def golden(case: str) -> dict[str, Array]:
    """What PyTorch answered (see make_golden.py)."""
    with np.load(GOLDEN) as file:
        names = [name for name in file.files if name.startswith(f"{case}/")]
        return {name.partition("/")[2]: file[name] for name in names}


def refused(path: Path, match: str | None = None) -> str:
    """Assert that loading `path` is a CheckpointError with its path, in printable text; return that."""
    with pytest.raises(CheckpointError, match=match) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    assert len(message) < 600
    return message


def rewrite(path: Path, change: Callable[[dict[str, Array]], Any]) -> None:
    """Change the arrays of a checkpoint."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    change(arrays)
    npz.write(path, arrays)


def rewrite_meta(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a checkpoint's meta."""

    def apply(arrays: dict[str, Array]) -> None:
        meta = json.loads(arrays["meta"].tobytes())
        change(meta)
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)

    rewrite(path, apply)
