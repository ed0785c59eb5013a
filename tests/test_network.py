"""The network of any size against the equations, across chunks, and in both types."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
import support
from support import CELLS, DTYPES

from charrnn import cells
from charrnn.config import ModelConfig
from charrnn.model.network import Network
from charrnn.model.pytorch import named
from charrnn.model.shard import Shard

SIZES = [  # hidden, batch, vocab, layers, embed
    (1, 1, 2, 1, 0),
    (1, 3, 65, 2, 3),
    (7, 1, 300, 2, 0),
    (7, 17, 2, 1, 5),
    (33, 3, 65, 3, 0),
    (33, 17, 300, 1, 0),
    (33, 1, 65, 2, 33),
]


def test_every_cell_has_a_naive_twin():
    """A new cell needs its equations in naive.py, written from its docstring."""
    assert all(callable(getattr(naive, cell, None)) for cell in cells.names())


@pytest.mark.parametrize("size", SIZES, ids=["H{}-B{}-V{}-L{}-E{}".format(*size) for size in SIZES])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", cells.names())
def test_logits_nats_and_state_follow_the_equations(cell, dtype, size):
    hidden, batch, vocab, layers, embed = size
    net = support.network(cell, vocab, hidden, num_layers=layers, embed_size=embed, dtype=dtype)
    shard = Shard(net, batch, 5)
    shard.rows_of_state[...] = support.state(shard)
    inputs, targets = support.chunk(vocab, batch, 5)
    arrays = named(net.layout, net.flat)
    expected, after = naive.forward(cell, arrays, inputs, shard.rows_of_state)
    close = {"rtol": 0, "atol": 5e-6 if dtype == "float32" else 1e-13}
    np.testing.assert_allclose(support.logits(shard, inputs), expected, **close)
    np.testing.assert_allclose(shard.score(inputs, targets), naive.nats(expected, targets), **close)
    np.testing.assert_allclose(shard.rows_of_state, after, **close)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_one_chunk_of_2t_equals_two_of_t(cell, dtype):
    net = support.network(cell, 65, 33, num_layers=2, dtype=dtype)
    inputs, targets = support.chunk(65, 3, 14)
    whole, halves = Shard(net, 3, 14), Shard(net, 3, 14)
    expected = whole.score(inputs, targets).copy()
    got = [halves.score(inputs[:, half], targets[:, half]).copy() for half in (np.s_[:7], np.s_[7:])]
    close = {"rtol": 0, "atol": 1e-6 if dtype == "float32" else 1e-13}
    np.testing.assert_allclose(np.hstack(got), expected, **close)
    np.testing.assert_allclose(halves.state, whole.state, **close)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_does_not_see_its_neighbours(cell, dtype):
    """17 sequences together and each alone: what a shard holds is no matter of the figures."""
    net = support.network(cell, 65, 33, num_layers=2, dtype=dtype)
    inputs, targets = support.chunk(65, 17, 6)
    together = Shard(net, 17, 6).score(inputs, targets)
    alone = [Shard(net, 1, 6).score(inputs[i : i + 1], targets[i : i + 1])[0] for i in range(17)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("embed", [0, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_float32_gradients_are_close_to_float64(cell, embed):
    coarse = support.network(cell, 65, 33, num_layers=2, embed_size=embed, dtype="float32")
    fine = support.network(cell, 65, 33, num_layers=2, embed_size=embed, dtype="float64")
    fine.flat[...] = coarse.flat
    fine.pack()
    chunk = support.chunk(65, 17, 20)
    got, expected = (support.gradient(Shard(net, 17, 20), *chunk) for net in (coarse, fine))
    assert got[0] == pytest.approx(expected[0], rel=1e-6)
    largest = max(np.abs(g).max() for g in expected[1].values())
    for name, grad in expected[1].items():
        np.testing.assert_allclose(got[1][name], grad, rtol=0, atol=1e-5 * largest, err_msg=name)
    np.testing.assert_allclose(got[2], expected[2], rtol=0, atol=1e-5 * np.abs(expected[2]).max())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers, embed", [(1, 0), (2, 0), (1, 32)])
def test_an_untrained_model_knows_nothing(cell, layers, embed):
    net = Network(ModelConfig(cell, 128, layers, embed), 65, seed=1)
    net.pack()
    nats = Shard(net, 16, 32).score(*support.chunk(65, 16, 32)).mean()
    assert nats == pytest.approx(math.log(65), rel=0.02)


@pytest.mark.parametrize("embed", [0, 4])
@pytest.mark.parametrize("cell", CELLS)
def test_a_repeated_character_gathers_its_gradients(cell, embed):
    """Two characters with equal weights are one character: its gradient is the sum of theirs."""
    net = support.network(cell, 9, embed_size=embed, dtype="float64")
    name = "embed.weight" if embed else "rnn.weight_ih_l0"
    table = named(net.layout, net.flat)[name]
    rows = table if embed else table.T  # a row for each character
    rows[4] = rows[3]
    net.pack()
    inputs, targets = support.chunk(9, 3, 8)
    apart = inputs.copy()
    apart[:, ::2], apart[:, 1::2] = 3, 4
    together = np.full_like(apart, 3)
    grads = []
    for ids in (apart, together):
        grad = support.gradient(Shard(net, 3, 8), ids, targets)[1][name]
        grads.append(grad if embed else grad.T)
    np.testing.assert_allclose(grads[1][3], grads[0][3] + grads[0][4], rtol=1e-12)
    assert np.abs(grads[0][3:5]).min() > 0
    assert not np.delete(grads[1], 3, axis=0).any()


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_is_for_training_alone(cell):
    net = support.network(cell, 9, num_layers=2, dropout=0.5, dtype="float64")
    inputs, targets = support.chunk(9, 3, 8)
    exact = Shard(net, 3, 8).score(inputs, targets).sum()
    losses = [Shard(net, 3, 8, dropout=True).loss(inputs, targets, key) for key in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    assert Shard(net, 3, 8).loss(inputs, targets, 1) == pytest.approx(exact, rel=1e-14)
    assert Shard(net, 3, 8, dropout=True).score(inputs, targets).sum() == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_last_shorter_chunk_and_a_used_shard_leave_no_trace(cell, dtype):
    """Memory is kept from chunk to chunk, of any length; nothing of one may show in the next."""
    net = support.network(cell, 65, 7, num_layers=2, dtype=dtype)
    used, fresh = Shard(net, 3, 9), Shard(net, 3, 9)
    for steps, seed in ((9, 1), (4, 2), (9, 3)):
        support.gradient(used, *support.chunk(65, 3, steps, seed))
    used.state[...] = fresh.state[...] = 0.25
    inputs, targets = support.chunk(65, 3, 4)
    got, expected = (support.gradient(shard, inputs, targets) for shard in (used, fresh))
    assert got[0] == expected[0]
    for name, grad in expected[1].items():
        np.testing.assert_array_equal(got[1][name], grad, err_msg=name)
    np.testing.assert_array_equal(got[2], expected[2])


@pytest.mark.parametrize("embed", [0, 12])
def test_first_values_are_as_large_as_their_layers_need(embed):
    """Uniform within what makes a unit's input vary by 1 / sqrt(3) or 1, whatever its number of inputs."""
    config = ModelConfig("lstm", 100, num_layers=3, embed_size=embed)
    w = Network(config, 50, seed=1).weights
    inputs = math.sqrt(3 / embed) if embed else 1
    bounds = [(w.stacked, math.sqrt(3) / 10), (w.recurrent, math.sqrt(3) / 10), (w.input, inputs)]
    for values, bound in [*bounds, (w.out, 0.1), (w.bias, 0.1)]:
        assert bound * 0.98 < np.abs(values).max() <= bound
        assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
