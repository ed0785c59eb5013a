"""Scheduled sampling: which inputs are replaced, by what, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import support
from test_sample_character import chi_square_bound

from charrnn.array_types import Array
from charrnn.config import TrainConfig
from charrnn.model.network import Network
from charrnn.model.shard import Shard
from charrnn.parallel.threads import Team
from charrnn.training.learner import Learner

VOCAB = 5


def network(**config: Any) -> Network:
    return support.network("gru", VOCAB, **{"num_layers": 2, "dtype": "float64"} | config)


def certain(character: int) -> Network:
    """A network that always predicts one character."""
    net = network()
    net.weights.out[...] = 0
    net.weights.out_bias[0] = np.where(np.arange(VOCAB) == character, 50, 0)
    net.pack()
    return net


def learner(net: Network, batch: int = 40, steps: int = 8, **config: Any) -> Learner:
    return Learner(net, batch, steps, TrainConfig(**config), Team(1))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_with_true_inputs_alone_nothing_is_drawn(monkeypatch):
    inputs, targets = support.chunk(VOCAB, 40, 8)
    drawn_in_vain, plain, untouched = (network(dropout=0.3) for _ in range(3))
    one = learner(drawn_in_vain, teacher_forcing=np.nextafter(1, 0))  # too near to 1 for any to be replaced
    for number in range(3):
        one.step(inputs, targets, 0.1, number, number)
    monkeypatch.setattr(Shard, "student_inputs", None)
    for net, config in ((plain, {}), (untouched, {"teacher_forcing": 1.0})):
        other = learner(net, **config)
        for number in range(3):
            other.step(inputs, targets, 0.1, number, number)
        assert net.flat.tobytes() == drawn_in_vain.flat.tobytes()


def test_without_true_inputs_all_but_the_first_are_drawn():
    inputs = np.random.default_rng(0).integers(0, 4, (17, 9))
    mixed = Shard(certain(4), 17, 9).student_inputs(inputs, 0.0, rng(), 0)
    np.testing.assert_array_equal(mixed[:, 0], inputs[:, 0])
    assert (mixed[:, 1:] == 4).all()


@pytest.mark.parametrize("forcing", [0.1, 0.5, 0.9])
def test_the_share_of_true_inputs(forcing):
    inputs = np.random.default_rng(0).integers(0, 4, (500, 41))
    mixed = Shard(certain(4), 500, 41).student_inputs(inputs, forcing, rng(), 0)
    replaced = mixed == 4
    np.testing.assert_array_equal(mixed[~replaced], inputs[~replaced])
    spread = np.sqrt(forcing * (1 - forcing))
    assert abs(replaced[:, 1:].mean() - (1 - forcing)) < 4 * spread / np.sqrt(500 * 40)
    assert np.abs(replaced[:, 1:].mean(axis=0) - (1 - forcing)).max() < 4.5 * spread / np.sqrt(500)
    assert not replaced[:, 0].any()


def test_what_is_drawn_follows_the_model():
    """Two characters at once: each by the prediction from the true inputs before it, whatever the other."""
    count = 20_000
    net = network(hidden=12)
    shard = Shard(net, count, 3)
    inputs = np.tile([1, 3, 2], (count, 1))
    logits = support.logits(Shard(net, 1, 3), inputs[:1])[0]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    mixed = shard.student_inputs(inputs, 0.0, rng(), 0)
    assert (mixed[:, 0] == 1).all()
    expected = count * np.outer(p[0], p[1]).reshape(-1)
    seen = np.bincount(VOCAB * mixed[:, 1] + mixed[:, 2], minlength=VOCAB**2)
    kept = expected > 5
    assert kept.sum() > 8
    assert ((seen - expected)[kept] ** 2 / expected[kept]).sum() < chi_square_bound(kept.sum())


def test_it_predicts_with_the_dropout_of_the_step_that_learns():
    net = network(dropout=0.5, hidden=12)
    inputs, _ = support.chunk(VOCAB, 17, 9)
    mixed = [Shard(net, 17, 9, dropout=True).student_inputs(inputs, 0.0, rng(), key) for key in (1, 1, 2)]
    np.testing.assert_array_equal(mixed[0], mixed[1])
    assert (mixed[0] != mixed[2]).any()


@pytest.mark.parametrize("attention", [0, 12])
def test_a_step_is_one_on_the_mixed_inputs_and_the_true_targets(attention):
    """Loss, gradient and what is carried, from a state that the drawing pass leaves alone."""
    net = network(dropout=0.3, attention=attention)
    (before, _), (inputs, targets) = support.chunk(VOCAB, 20, 8, 1), support.chunk(VOCAB, 20, 8)
    tested = learner(net, batch=20, teacher_forcing=0.4)
    shards = tested.parallel.shards
    for rows, shard in zip(tested.parallel.cuts, shards, strict=True):
        shard.score(before[rows], before[rows])
    carried, keys = [shard.carried for shard in shards], [5, 6]
    loss, _ = tested.parallel.gradient(inputs, targets, keys, 0.4, [rng(0), rng(1)])
    nats, gradients = 0.0, []
    for number, rows in enumerate(tested.parallel.cuts):
        alone = Shard(net, rows.stop - rows.start, 8, dropout=True)
        alone.carried = carried[number]
        mixed = alone.student_inputs(inputs[rows], 0.4, rng(number), keys[number])
        assert (mixed != inputs[rows]).any()
        np.testing.assert_array_equal(alone.carried, carried[number])
        grad = np.empty_like(net.flat)
        nats += alone.gradient(
            mixed, targets[rows], grad, net.layout.views(grad), 1 / inputs.size, keys[number]
        )
        gradients.append(grad)
        np.testing.assert_array_equal(shards[number].carried, alone.carried)
    assert loss == pytest.approx(nats / inputs.size, rel=1e-14)
    np.testing.assert_array_equal(tested.parallel.grad, sum(gradients))


def draws(seed: int, step: int, batch: int) -> list[Array]:
    """The first random numbers of each shard."""
    made = learner(network(), batch=batch, steps=2, teacher_forcing=0.5, seed=seed)
    return [shard.random(4) for shard in made._rngs(step)]


def test_random_numbers_are_those_of_seed_step_and_shard():
    first = draws(3, 7, 40)
    np.testing.assert_array_equal(draws(3, 7, 40), first)
    np.testing.assert_array_equal(draws(3, 7, 17), first[:2])
    others = np.array([*first, *draws(3, 8, 40), *draws(4, 7, 40)])
    assert len(np.unique(others[:, 0])) == len(others) == 9


def test_a_step_repeats_itself_and_is_another_with_another_seed():
    inputs, targets = support.chunk(VOCAB, 40, 8)
    found = []
    for seed, number in ((1, 0), (1, 0), (2, 0), (1, 1)):
        net = network()
        learner(net, teacher_forcing=0.5, seed=seed).step(inputs, targets, 0.1, number, 0)
        found.append(net.flat.tobytes())
    assert found[0] == found[1]
    assert len(set(found)) == 3
