"""Attention: across chunks, batches, streams and samples, each step sees the same past."""

from __future__ import annotations

import naive
import numpy as np
import pytest
import support
from support import DTYPES

from charrnn.array_types import Array
from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.config import SampleConfig
from charrnn.model.network import Network
from charrnn.model.pytorch import named
from charrnn.model.shard import Shard
from charrnn.parallel.threads import Team
from charrnn.sampling.sampler import Sampler
from charrnn.text.vocabulary import Vocabulary

VOCAB, STEPS = 11, 14
WINDOWS = [1, 4, 9, 40]  # shorter and longer than chunks and text


def network(window: int, layers: int = 1, dtype: str = "float64", hidden: int = 12) -> Network:
    return support.network("gru", VOCAB, hidden, num_layers=layers, dtype=dtype, attention=window)


def by_the_equations(net: Network, inputs: Array) -> Array:
    """Logits (B, T, V) from a stream's start."""
    start = np.zeros((net.config.num_layers, 1, len(inputs), net.config.hidden_size))
    return naive.forward("gru", named(net.layout, net.flat), inputs, start)[0]


def in_chunks(shard: Shard, inputs: Array, widths: list[int]) -> Array:
    """Logits (B, T, V), what each chunk leaves being carried to the next."""
    parts = []
    for chunk in np.split(inputs, np.cumsum(widths)[:-1], axis=1):
        parts.append(support.logits(shard, chunk))
        shard.score(chunk, chunk)
    return np.hstack(parts)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_follow_the_equations(dtype, layers, window):
    net = network(window, layers, dtype, hidden=33)  # queries of 32
    inputs, targets = support.chunk(VOCAB, 3, STEPS)
    shard, expected = Shard(net, 3, STEPS), by_the_equations(net, inputs)
    close = {"rtol": 0, "atol": 1e-5 if dtype == "float32" else 1e-12}
    np.testing.assert_allclose(support.logits(shard, inputs), expected, **close)
    np.testing.assert_allclose(shard.score(inputs, targets), naive.nats(expected, targets), **close)


@pytest.mark.parametrize("widths", [[7, 7], [5, 1, 8], [1] * STEPS, [13, 1]], ids=str)
@pytest.mark.parametrize("window", WINDOWS)
def test_chunks_of_any_length_are_one_text(window, widths):
    net = network(window, layers=2)
    inputs, _ = support.chunk(VOCAB, 3, STEPS)
    shard = Shard(net, 3, max(widths))
    got = in_chunks(shard, inputs, widths)
    np.testing.assert_allclose(got, by_the_equations(net, inputs), rtol=0, atol=1e-12)
    whole = Shard(net, 3, STEPS)
    whole.score(inputs, inputs)
    np.testing.assert_allclose(shard.carried, whole.carried, rtol=0, atol=1e-12)
    assert (shard.carried[:, -1] == min(window - 1, STEPS)).all()


def test_training_carries_what_scoring_does():
    net = network(9, layers=2)
    inputs, targets = support.chunk(VOCAB, 3, STEPS)
    scored, trained = Shard(net, 3, 7), Shard(net, 3, 7)
    for half in (np.s_[:, :7], np.s_[:, 7:]):
        scored.score(inputs[half], targets[half])
        support.gradient(trained, inputs[half], targets[half])
        np.testing.assert_array_equal(trained.carried, scored.carried)


@pytest.mark.parametrize("window", [4, 40])
def test_a_restarted_stream_sees_nothing_before_and_its_neighbours_all(window):
    net = network(window)
    before, after = np.split(support.chunk(VOCAB, 3, STEPS)[0], 2, axis=1)
    shard = Shard(net, 3, 7)
    shard.score(before, before)
    shard.carry(slice(1, 2), 0)
    expected = by_the_equations(net, np.hstack([before, after]))[:, 7:]
    expected[1] = by_the_equations(net, after)[1]
    np.testing.assert_allclose(support.logits(shard, after), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("window", [4, 40])
def test_later_characters_change_no_earlier_score(window):
    net = network(window, layers=2)
    inputs, _ = support.chunk(VOCAB, 3, STEPS)
    for t in (0, 1, 6, STEPS - 1):
        changed = inputs.copy()
        changed[:, t] = (changed[:, t] + 1) % VOCAB
        first, second = (support.logits(Shard(net, 3, STEPS), x) for x in (inputs, changed))
        np.testing.assert_array_equal(first[:, :t], second[:, :t])
        assert (first[:, t] != second[:, t]).all()


def test_a_sequence_does_not_see_its_neighbours():
    net = network(5, layers=2)
    inputs, _ = support.chunk(VOCAB, 17, STEPS)
    together = in_chunks(Shard(net, 17, 5), inputs, [5, 5, 4])
    alone = [in_chunks(Shard(net, 1, 5), inputs[i : i + 1], [5, 5, 4])[0] for i in range(17)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-13)


def test_a_shard_that_was_used_leaves_no_trace():
    """Chunks of other lengths share its memory."""
    net = network(9)
    used, fresh = Shard(net, 3, 9), Shard(net, 3, 9)
    for steps, seed in ((9, 1), (4, 2), (9, 3)):
        support.gradient(used, *support.chunk(VOCAB, 3, steps, seed))
    used.carried = fresh.carried = 0
    chunk = support.chunk(VOCAB, 3, 4)
    got, expected = (support.gradient(shard, *chunk) for shard in (used, fresh))
    assert got[0] == expected[0]
    for name, grad in expected[1].items():
        np.testing.assert_array_equal(got[1][name], grad, err_msg=name)


@pytest.mark.parametrize("told, meant", [(-3.0, 0), (2.9, 2), (1e30, 8), (-1e300, 0)])
def test_a_strange_count_of_steps_carried_does_no_harm(told, meant):
    """As a stranger's checkpoint may have it: memory that is not there is never read."""
    net = network(9)
    inputs, _ = support.chunk(VOCAB, 3, 7)
    found = []
    for count in (told, meant):
        shard = Shard(net, 3, 7)
        shard.score(inputs, inputs)
        carried = shard.carried
        carried[:, -1] = count
        shard.carried = carried
        found.append(support.logits(shard, inputs))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("prime", ["", "face" * 50])
def test_drawn_text_has_the_scores_of_read_text(prime):
    vocabulary = Vocabulary.of("\nabcdefghij")
    of = Checkpoint(network(20, layers=2), vocabulary, {})
    sampler = Sampler(of, SampleConfig(prime=prime, length=150, num=3), logprobs=True)
    blocks = list(sampler)
    for i in range(3):
        text = (prime or "\n") + "".join(block.texts[i] for block in blocks)
        nats = support.nats(of.network, vocabulary.encode(text), Team(1))[-150:]
        drawn = [x for block in blocks for x in block.logprobs[i]]
        np.testing.assert_allclose(np.negative(drawn), nats, rtol=0, atol=1e-12)
