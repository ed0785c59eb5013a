"""The gradient over lag is that of the plain equations, and shows what vanishes and what does not."""

from __future__ import annotations

import naive
import numpy as np
import pytest
import support
from numpy.typing import NDArray
from support import CELLS

import charrnn
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import TextError, UsageError
from charrnn.inspection import gradient_over_lag as module
from charrnn.inspection.gradient_over_lag import gradient_over_lag
from charrnn.model.network import Network
from charrnn.model.pytorch import named
from charrnn.parallel.threads import Team
from charrnn.text.streams import Streams
from charrnn.training.learner import Learner

Array = NDArray[np.float64]
EPS = 1e-4  # of central differences, whose error is about its square


class Plain:
    """A text read step by step by the plain equations, which can go on from a changed state."""

    def __init__(self, net: Network, ids: Array):
        self.net, self.ids, self.w = net, ids, named(net.layout, net.flat)
        self.states = []  # (L, states, 1, H) after each step
        state = np.zeros((net.config.num_layers, len(net.cell.states), 1, net.config.hidden_size))
        for t in range(len(ids)):
            state = self.step(state, t)
            self.states.append(state)

    def step(self, state: Array, t: int) -> Array:
        return naive.forward(self.net.config.cell, self.w, self.ids[None, t : t + 1], state)[1]

    def loss(self, t: int, k: int, change: Array) -> float:
        """-ln p of the character after t, with the states after step t - k changed."""
        states = [*self.states[: t - k], self.states[t - k] + change]
        for step in range(t - k + 1, t + 1):
            states.append(self.step(states[-1], step))
        h = np.stack([state[-1, 0, 0] for state in states])
        logits = self.w["out.weight"] @ h[-1] + self.w["out.bias"]
        if self.net.config.attention:
            logits += self.w["attn.out.weight"] @ self.context(h)
        return float(naive.nats(logits, self.ids[t + 1]))

    def context(self, h: Array) -> Array:
        """What the last step attends to."""
        q, k, v = (h @ self.w[f"attn.{name}.weight"].T for name in ("query", "key", "value"))
        seen = slice(-self.net.config.attention, None)
        lags = np.arange(len(h))[::-1][seen]
        e = k[seen] @ q[-1] / np.sqrt(q.shape[1]) + self.w["attn.lag.bias"][lags]
        return np.exp(e) / np.exp(e).sum() @ v[seen]

    def gradient(self, t: int, k: int) -> Array:
        """Of `loss` by the states after step t - k, by central differences (L, states, H)."""
        result = np.zeros(self.states[0].shape)
        for index in np.ndindex(result.shape):
            change = np.zeros_like(result)
            change[index] = EPS
            result[index] = (self.loss(t, k, change) - self.loss(t, k, -change)) / (2 * EPS)
        return result[:, :, 0]


def agrees(net: Network, length: int, lags: int, ends: list[int]) -> None:
    """The norms are those of numerical differences, averaged over the positions `ends`."""
    ids = np.random.default_rng(3).integers(0, net.vocab_size, length)
    got, plain = gradient_over_lag(net, ids, lags, len(ends)), Plain(net, ids)
    for k in range(lags + 1):
        gradients = [plain.gradient(t, k) for t in ends]
        output = np.mean([np.linalg.norm(gradient[-1, 0]) for gradient in gradients])
        state = np.mean([np.linalg.norm(gradient) for gradient in gradients])
        np.testing.assert_allclose((got.output[k], got.state[k]), (output, state), rtol=1e-6, err_msg=f"{k}")


@pytest.mark.parametrize("attention", [0, 3])
@pytest.mark.parametrize("num_layers, embed_size", [(1, 0), (2, 3)])
@pytest.mark.parametrize("cell", CELLS)
def test_the_norms_are_those_of_the_plain_equations(cell, num_layers, embed_size, attention):
    """Positions whose windows overlap, the first at the text's start; lags beyond what is attended to."""
    sizes = {"num_layers": num_layers, "embed_size": embed_size, "attention": attention, "dtype": "float64"}
    agrees(support.network(cell, 5, 3, **sizes), length=12, lags=5, ends=[5, 7, 10])


def test_positions_are_taken_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    agrees(support.network("gru", 5, 3, attention=2, dtype="float64"), length=12, lags=5, ends=[5, 7, 10])


@pytest.mark.parametrize("attention", [0, 200])
def test_the_state_is_carried_through_a_long_text(attention):
    agrees(support.network("lstm", 5, 3, attention=attention, dtype="float64"), 300, 2, [2, 298])


def test_a_model_of_float32_is_taken_as_float64():
    coarse, fine = (support.network("gru", 5, 4, dtype=dtype) for dtype in support.DTYPES)
    fine.flat[...] = coarse.flat
    ids = np.random.default_rng(1).integers(0, 5, 50)
    np.testing.assert_array_equal(*(gradient_over_lag(net, ids, 9) for net in (coarse, fine)))


@pytest.mark.parametrize("cell", ["rnn", "gru", "rnn_relu"])
def test_one_layer_with_one_state_has_one_norm(cell):
    ids = np.random.default_rng(1).integers(0, 5, 50)
    output, state = gradient_over_lag(support.network(cell, 5, 4), ids, 20)
    np.testing.assert_array_equal(output, state)


def echoes(length: int, lag: int = 10, flip: float = 0.1, seed: int = 0) -> NDArray[np.int64]:
    """Random bits, each the one `lag` before it, but flipped with chance `flip`."""
    rng = np.random.default_rng(seed)
    bits, flips = rng.integers(0, 2, length), rng.random(length) < flip
    for t in range(lag, length):
        bits[t] = bits[t - lag] ^ flips[t]
    return bits


def untrained(cell: str, hidden: int = 32, scale: float = 1.0) -> Network:
    net = Network(ModelConfig(cell, hidden, dropout=0.0), 2, seed=1)
    net.flat *= scale
    return net


def test_an_untrained_rnn_forgets_geometrically():
    """Its log norm falls along a straight line, about as fast as powers of W_hh do."""
    net = untrained("rnn", scale=0.5)  # far from saturated
    norms = gradient_over_lag(net, echoes(3000), 40).output
    lags = np.arange(5, 41)
    slope = np.polynomial.Polynomial.fit(lags, np.log(norms[5:]), 1).convert().coef[1]
    assert np.corrcoef(lags, np.log(norms[5:]))[0, 1] < -0.999
    largest = np.abs(np.linalg.eigvals(net.weights.recurrent[0, 0])).max()
    assert 0.8 * largest < np.exp(slope) < largest  # the slope of tanh is below 1
    assert norms[40] < 1e-9 * norms[0]


def test_a_trained_lstm_reaches_back_to_where_the_answer_is():
    """Each bit is told by the one 10 before it, which was read 9 steps before the last."""
    net, config, text = untrained("lstm"), TrainConfig(), Streams(echoes(100_001), 32, 64)
    learner = Learner(net, 32, 64, config, Team())
    losses = [learner.step(*text.chunk(n % text.chunks), 0.02, n, n)[0] for n in range(700)]
    assert np.mean(losses[-20:]) < 0.4  # nats; ln 2 without memory, 0.325 at best
    ids = echoes(3000, seed=1)
    norms, vanished = (
        gradient_over_lag(model, ids, 40).output for model in (net, untrained("rnn", scale=0.5))
    )
    assert norms[9] > 0.3 * norms[0]
    assert vanished[9] < 0.02 * vanished[0]
    assert norms[9] > 100 * vanished[9]
    assert norms[40] < 0.5 * norms[9]


def test_a_model_in_python_has_it(saved):
    model = charrnn.load(saved)
    norms = model.gradient_over_lag("abca" * 10, lags=7, positions=3)
    assert norms.output.shape == norms.state.shape == (8,)
    assert (norms.output > 0).all()
    assert model.gradient_over_lag("ab", lags=0).output.shape == (1,)


def test_what_cannot_be_is_said(saved):
    model = charrnn.load(saved)
    with pytest.raises(TextError, match="the text has 8 characters; 7 lags need at least 9"):
        model.gradient_over_lag("abcabcab", lags=7)
    with pytest.raises(TextError, match="never saw"):
        model.gradient_over_lag("abx", lags=1)
    with pytest.raises(UsageError, match="lags is"):
        model.gradient_over_lag("abc", lags=-1)
    with pytest.raises(UsageError, match="positions is"):
        model.gradient_over_lag("abc", lags=1, positions=0)
    with pytest.raises(UsageError, match="id is 9"):
        gradient_over_lag(model.checkpoint.network, np.array([0, 9, 1]), 1)
