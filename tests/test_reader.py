"""The score of a text is that of one pass through it, however it is cut and whoever shares the work."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
import support
from support import CELLS, DTYPES

from charrnn.config import ModelConfig
from charrnn.model.network import Network
from charrnn.model.pytorch import named
from charrnn.model.shard import Shard
from charrnn.parallel.threads import Team
from charrnn.scoring import reader
from charrnn.scoring.metrics import perplexity

LONG = 3 * reader.STREAM + 1234  # three streams, whose length no chunk divides
VOCAB = 11


def text(length: int) -> np.ndarray:
    return np.random.default_rng(length).integers(0, VOCAB, length).astype(np.uint8)


def single_stream(net: Network, ids: np.ndarray) -> np.ndarray:
    """One sequence from a state of 0, in chunks; `Shard.score` itself is compared with naive.py."""
    net.pack()
    shard = Shard(net, 1, 100)
    parts = [
        shard.score(ids[None, at : at + 100][:, : len(ids) - 1 - at], ids[None, at + 1 : at + 101])[0].copy()
        for at in range(0, len(ids) - 1, 100)
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", [2, 3, 129, 130, 300])
@pytest.mark.parametrize("cell", CELLS)
def test_a_short_text_is_scored_as_the_equations_have_it(cell, length, dtype):
    net = support.network(cell, VOCAB, 7, num_layers=2, dtype=dtype)
    ids = text(length)
    start = np.zeros((2, len(net.cell.states), 1, 7))
    logits, _ = naive.forward(cell, named(net.layout, net.flat), ids[None, :-1], start)
    expected = naive.nats(logits, ids[None, 1:])[0]
    got = support.nats(net, ids, Team(1))
    assert got.shape == (length - 1,)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("cell, attention", [*((cell, 0) for cell in CELLS), ("gru", 100)])
def test_a_long_text_is_scored_as_in_one_stream(cell, attention):
    """Streams start on a state warmed up on 512 characters: what lies further back no longer shows."""
    net = Network(ModelConfig(cell, 12, dtype="float64", attention=attention), VOCAB, seed=1)
    if cell in ("gru", "lstm"):
        net.weights.bias[:, 1] = 3  # the gate that keeps: half of the state is left after 14 characters
    ids = text(LONG)
    got, expected = support.nats(net, ids, Team(1)), single_stream(net, ids)
    assert got.shape == expected.shape == (LONG - 1,)
    assert abs(got.mean() - expected.mean()) < 1e-6
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)  # nor at any single character


def test_the_first_characters_of_a_long_text_start_from_zero():
    """The warm-up of the other streams must not leave a state in the first."""
    net = support.network("lstm", VOCAB, 12, dtype="float64")
    ids = text(LONG)
    start = np.zeros((1, 2, 1, 12))
    logits, _ = naive.forward("lstm", named(net.layout, net.flat), ids[None, :20], start)
    got = support.nats(net, ids, Team(1))[:20]
    np.testing.assert_allclose(got, naive.nats(logits, ids[None, 1:21])[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [300, LONG, 20 * reader.STREAM])
def test_threads_do_not_change_a_bit(length):
    net = support.network("gru", VOCAB, 4)
    ids = text(length)
    first = support.nats(net, ids, Team(1))
    for threads in (2, 3):
        np.testing.assert_array_equal(support.nats(net, ids, Team(threads)), first)


@pytest.mark.parametrize("chunk", [1, 32, 100, 256, 1000])
@pytest.mark.parametrize("length", [300, 2 * reader.STREAM + 99])
def test_the_length_of_a_chunk_does_not_change_the_figures(monkeypatch, length, chunk):
    net = support.network("gru", VOCAB, 4, dtype="float64")
    ids = text(length)
    expected = support.nats(net, ids, Team(1))
    monkeypatch.setattr(reader, "CHUNK", chunk)
    np.testing.assert_allclose(support.nats(net, ids, Team(1)), expected, rtol=0, atol=1e-12)


def test_figures():
    net = support.network("rnn", VOCAB)
    found = reader.evaluate(net, text(400), Team(1))
    loss = support.nats(net, text(400), Team(1)).mean()
    assert (found.loss, found.chars) == (pytest.approx(loss, rel=1e-14), 399)
    assert found.bpc == pytest.approx(loss / math.log(2))
    assert found.perplexity == pytest.approx(2**found.bpc)
    assert perplexity(1e6) == math.inf
