"""Drawing: the right frequencies, nothing impossible, and the same text for the same seed."""

from __future__ import annotations

from itertools import islice

import naive
import numpy as np
import pytest
import support
from support import CELLS, DTYPES

from charrnn import sampling
from charrnn.checkpoint import Checkpoint
from charrnn.config import SampleConfig
from charrnn.errors import TextError
from charrnn.kernels.draw import draw
from charrnn.text import Vocabulary

LETTERS = "\nabcdefghij"
ALMOST_ONE = np.nextafter(1, 0)


def model(cell: str = "gru", letters: str = LETTERS, **config: int | float | str) -> Checkpoint:
    """Weights so large that what comes next depends on what went before."""
    vocabulary = Vocabulary.of(letters)
    network = support.network(cell, len(vocabulary), 12, num_layers=2, **config)
    network.flat *= 2
    return Checkpoint(network, vocabulary, {})


def text(of: Checkpoint, **config: int | float | str) -> str:
    return "".join(sampling.sample(of, SampleConfig(**config)))


def drawn(logits: np.ndarray, temp: float, uniforms: np.ndarray) -> np.ndarray:
    cumulative = np.full(logits.size, np.nan)
    return np.array([draw(logits, temp, float(u), cumulative) for u in uniforms])


def chi_square_bound(df: int) -> float:
    """Exceeded with probability 1e-4 (Wilson & Hilferty 1931, good to a percent from 3 degrees on)."""
    normal_quantile = 3.719
    return df * (1 - 2 / (9 * df) + normal_quantile * np.sqrt(2 / (9 * df))) ** 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temp", [0.5, 1.0, 2.0])
def test_frequencies_are_those_of_the_softmax(temp, dtype):
    rng = np.random.default_rng(11)
    logits = rng.uniform(-2, 2, 20).astype(dtype)
    counts = np.bincount(drawn(logits, temp, rng.random(100_000)), minlength=20)
    weights = np.exp(logits.astype(np.float64) / temp)
    expected = counts.sum() * weights / weights.sum()
    assert expected.min() > 5
    assert np.sum((counts - expected) ** 2 / expected) < chi_square_bound(19)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_uniform_number_selects_by_the_cumulative_sum(dtype):
    """Exactly: id k for u in [k/4, (k + 1)/4) when all four are equally likely."""
    uniforms = np.array([0, 0.2499, 0.25, 0.4999, 0.5, 0.7499, 0.75, ALMOST_ONE])
    np.testing.assert_array_equal(drawn(np.zeros(4, dtype), 1.0, uniforms), [0, 0, 1, 1, 2, 2, 3, 3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature_0_takes_the_largest_and_of_equals_the_lowest_id(dtype):
    for logits, best in (([1, 3, 2], 1), ([2, 2, 2], 0), ([-5, 7, 7, 0, 7], 1), ([-np.inf, -3], 1)):
        assert set(drawn(np.array(logits, dtype), 0.0, np.array([0, 0.5, ALMOST_ONE]))) == {best}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("impossible", [-np.inf, -1e4])
@pytest.mark.parametrize("temp", [1e-3, 0.5, 1.0, 2.0])
def test_a_character_of_probability_0_is_never_drawn(temp, impossible, dtype):
    """Neither first, last nor in the middle; 1e4 nats below the best, e**x is 0 even in float64."""
    logits = np.full(9, impossible, dtype)
    logits[[2, 3, 6]] = [0.5, 1.5, 1.25]
    uniforms = np.concatenate([[0, 5e-324, ALMOST_ONE], np.random.default_rng(0).random(2000)])
    ids = set(drawn(logits, temp, uniforms))
    assert ids <= {2, 3, 6}
    if temp > 0.1:
        assert ids == {2, 3, 6}


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_only_differences_of_logits_count(offset):
    logits = np.array([0, 1, 2, 3], np.float64)
    uniforms = np.random.default_rng(0).random(500)
    np.testing.assert_array_equal(drawn(logits + offset, 0.7, uniforms), drawn(logits, 0.7, uniforms))


@pytest.mark.parametrize("cell", CELLS)
def test_temperature_0_follows_the_equations(cell):
    """Greedy text, character by character, by naive.py."""
    of = model(cell, dtype="float64")
    arrays = of.network.layout.named(of.network.flat)
    state = np.zeros((2, of.network.cell.states, 1, 12))
    prime = of.vocabulary.encode("cafe")
    logits, state = naive.forward(cell, arrays, prime[None], state)
    expected = []
    for _ in range(40):
        expected.append(int(np.argmax(logits[0, -1])))
        logits, state = naive.forward(cell, arrays, np.array([[expected[-1]]]), state)
    assert text(of, prime="cafe", temp=0, length=40) == of.vocabulary.decode(np.array(expected))


def test_the_same_seed_draws_the_same_text_and_another_another():
    texts = [text(model(), seed=seed, length=200) for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def test_samples_side_by_side_are_the_same_in_any_company():
    config = SampleConfig(length=70, prime="face", seed=3)
    three, five = (
        ["".join(parts) for parts in zip(*sampling.samples(model(dtype="float64"), config, num), strict=True)]
        for num in (3, 5)
    )
    assert five[:3] == three
    assert len(set(five)) == 5
    assert text(model(dtype="float64"), length=70, prime="face", seed=3) == five[0]


@pytest.mark.parametrize("length", [1, 31, 32, 33, 100])
def test_length_is_exact(length):
    assert len(text(model(), length=length)) == length


def test_without_end():
    blocks = islice(sampling.sample(model(), SampleConfig(length=0)), 100)
    assert "".join(blocks).startswith(text(model(), length=1000))


@pytest.mark.parametrize("prime", ["", "cabbage"])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_text_does_not_depend_on_the_size_of_blocks(monkeypatch, block, prime):
    expected = text(model(), length=150, prime=prime)
    monkeypatch.setattr(sampling, "BLOCK", block)
    assert text(model(), length=150, prime=prime) == expected


@pytest.mark.parametrize("extra", [-1, 0, 1, 2, 200])
def test_a_long_prime_is_read_as_one_character_at_a_time(monkeypatch, extra):
    length = sampling.PRIME_CHUNK + extra
    prime = "".join(np.random.default_rng(length).choice(list(LETTERS), length))
    of = model(dtype="float64")
    expected = text(of, prime=prime, length=100)
    other = prime[:-2] + ("a" if prime[-2] == "b" else "b") + prime[-1]
    assert text(of, prime=other, length=100) != expected
    monkeypatch.setattr(sampling, "PRIME_CHUNK", 1)
    assert text(of, prime=prime, length=100) == expected


def test_text_goes_on_where_the_prime_ends():
    """Greedy text in two parts is the whole: the prime's last character is read exactly once."""
    of = model(dtype="float64")
    whole = text(of, prime="bad", length=60, temp=0)
    assert text(of, prime="bad" + whole[:25], length=35, temp=0) == whole[25:]


def test_without_a_prime_text_starts_as_after_a_newline():
    assert text(model(), length=50) == text(model(), length=50, prime="\n")


def test_without_a_newline_any_character_may_come_before():
    of = model(letters="abcdefgh")
    starts = {text(of, length=1, temp=0, seed=seed) for seed in range(40)}
    firsts = {text(of, length=1, temp=0, prime=letter) for letter in "abcdefgh"}
    assert starts == firsts and len(firsts) > 1


def test_a_prime_of_unknown_characters_is_refused():
    with pytest.raises(TextError, match=r"'é' \(U\+00E9\).*at character 2"):
        text(model(), prime="abé")
