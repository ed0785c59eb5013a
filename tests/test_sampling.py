"""Drawing: the right frequencies, nothing impossible, and the same text for the same seed."""

from __future__ import annotations

from itertools import islice
from typing import Any

import naive
import numpy as np
import pytest
import support
from support import CELLS, DTYPES

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.config import SampleConfig
from charrnn.errors import TextError, UsageError
from charrnn.model.pytorch import named
from charrnn.parallel.threads import Team
from charrnn.sampling import sampler
from charrnn.sampling.sampler import Sampler
from charrnn.text.vocabulary import Vocabulary, to_bytes

LETTERS = "\nabcdefghij"


def model(cell: str = "gru", letters: str = LETTERS, **config: int | float | str) -> Checkpoint:
    """Weights so large that what comes next depends on what went before."""
    vocabulary = Vocabulary.of(letters)
    network = support.network(cell, len(vocabulary), 12, num_layers=2, **config)
    network.flat *= 2
    return Checkpoint(network, vocabulary, {})


def text(of: Checkpoint, **config: int | float | str) -> str:
    return "".join(sampler.sample(of, SampleConfig(**config)))


@pytest.mark.parametrize("penalty", [1.0, 1.6])
@pytest.mark.parametrize("cell", CELLS)
def test_temperature_0_follows_the_equations(cell, penalty):
    """Greedy text, character by character, by naive.py; a penalty is for those among the last 64."""
    of = model(cell, dtype="float64")
    arrays = named(of.network.layout, of.network.flat)
    read = list(of.vocabulary.encode("cafe"))
    logits, state = naive.forward(
        cell, arrays, np.array([read]), np.zeros((2, len(of.network.cell.states), 1, 12))
    )
    for _ in range(120):
        log_p = logits[0, -1] - np.log(np.exp(logits[0, -1]).sum())
        log_p[list(set(read[-64:]))] *= penalty
        read.append(int(np.argmax(log_p)))
        logits, state = naive.forward(cell, arrays, np.array([read[-1:]]), state)
    drawn = text(of, prime="cafe", temp=0, length=120, repeat_penalty=penalty)
    assert drawn == of.vocabulary.decode(np.array(read[4:]))


def test_the_same_seed_draws_the_same_text_and_another_another():
    texts = [text(model(), seed=seed, length=200) for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def texts(of: Checkpoint, logprobs: bool = False, **config: Any) -> list[str]:
    blocks = list(Sampler(of, SampleConfig(**config), logprobs))
    return ["".join(parts) for parts in zip(*(block.texts for block in blocks), strict=True)]


RULES = [
    {},
    {"temp": 0.6, "top_k": 5, "top_p": 0.9, "min_p": 0.02, "repeat_penalty": 1.2},
]


@pytest.mark.parametrize("rules, prime", [(RULES[0], "face" * 40), (RULES[1], "")], ids=["off", "on"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_sample_is_the_same_in_any_company(cell, rules, prime):
    """In float32, whose sums tell in which order they were made: 40 samples are three shards."""
    of, config = model(cell), {"length": 90, "seed": 3, "prime": prime, **rules}
    forty = texts(of, num=40, threads=1, **config)
    assert len(set(forty)) == 40
    assert forty == texts(of, num=40, threads=2, **config) == texts(of, num=40, threads=3, **config)
    assert texts(of, num=17, logprobs=True, **config) == forty[:17]
    assert texts(of, num=1, **config) == forty[:1] == [text(of, **config)]


@pytest.mark.parametrize("letters", [LETTERS, "abcdefgh"])
def test_iterating_again_draws_the_same(letters):
    sampler = Sampler(model(letters=letters), SampleConfig(length=50, num=3, prime=""))
    first, second = ([block.texts for block in sampler] for _ in range(2))
    assert ["".join(t) for t in zip(*first, strict=True)] == ["".join(t) for t in zip(*second, strict=True)]


@pytest.mark.parametrize("length", [1, 31, 32, 33, 100])
def test_length_is_exact(length):
    assert len(text(model(), length=length)) == length


def test_without_end():
    blocks = islice(sampler.sample(model(), SampleConfig(length=0)), 100)
    assert "".join(blocks).startswith(text(model(), length=1000))


@pytest.mark.parametrize("prime", ["", "cabbage"])
@pytest.mark.parametrize("rules", RULES, ids=["off", "on"])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_text_does_not_depend_on_the_size_of_blocks(monkeypatch, block, prime, rules):
    expected = texts(model(), length=150, prime=prime, num=2, **rules)
    monkeypatch.setattr(sampler, "next_size", lambda size, took: block)
    assert texts(model(), length=150, prime=prime, num=2, **rules) == expected


def test_blocks_are_as_large_as_can_be_shown_in_time():
    sizes = [1]
    for took in (0.001, 0.019, 0.021, 0.039, 0.041, 0.05, 0.05):
        sizes.append(sampler.next_size(sizes[-1], took))
    assert sizes == [1, 2, 4, 4, 4, 2, 1, 1]
    assert sampler.next_size(sampler.BLOCK, 0) == sampler.BLOCK == 256


@pytest.mark.parametrize("extra", [-1, 0, 1, 2, 200])
def test_a_long_prime_is_read_as_one_character_at_a_time(monkeypatch, extra):
    length = sampler.PRIME_CHUNK + extra
    prime = "".join(np.random.default_rng(length).choice(list(LETTERS), length))
    of = model()
    expected = text(of, prime=prime, length=100)
    other = prime[:-2] + ("a" if prime[-2] == "b" else "b") + prime[-1]
    assert text(of, prime=other, length=100) != expected
    monkeypatch.setattr(sampler, "PRIME_CHUNK", 1)
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


def test_unknown_characters_of_the_prime_can_be_skipped():
    of = model()
    sampler = Sampler(of, SampleConfig(prime="aéb\u8a9e\u8a9e", unknown="skip"))
    assert (sampler.primes, sampler.skipped) == (["ab"], 3)
    assert text(of, prime="aéb\u8a9e", unknown="skip", length=50) == text(of, prime="ab", length=50)
    assert text(of, prime="éé", unknown="skip", length=50) == text(of, length=50)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rules", RULES, ids=["off", "on"])
def test_log_probabilities_are_those_of_eval(rules, dtype):
    """Of the model itself, whatever the rules made of them; of a text that eval reads as one stream."""
    of, prime = model(dtype=dtype), "abacab"
    blocks = list(Sampler(of, SampleConfig(prime=prime, length=300, num=3, **rules), logprobs=True))
    for i in range(3):
        drawn = "".join(block.texts[i] for block in blocks)
        logprobs = [x for block in blocks for x in block.logprobs[i]]
        assert len(drawn) == len(logprobs) == 300
        nats = support.nats(of.network, of.vocabulary.encode(prime + drawn), Team(1))
        np.testing.assert_allclose(logprobs, -nats[len(prime) - 1 :], rtol=0, atol=2e-5)


def test_without_being_asked_for_there_are_no_log_probabilities():
    assert all(block.logprobs == [[]] for block in Sampler(model(), SampleConfig(length=20)))


def until(whole: str, stops: list[str]) -> str:
    """`whole` read character by character until it ends in a stop."""
    for end in range(len(whole) + 1):
        ended = [stop for stop in stops if whole[:end].endswith(stop)]
        if ended:
            return whole[: end - max(map(len, ended))]
    return whole


@pytest.mark.parametrize("block", [1, 2, 3, 64])
@pytest.mark.parametrize("letters", ["abcdefgh", LETTERS])
def test_a_sample_ends_before_the_first_stop(monkeypatch, letters, block):
    """Stops taken from the text itself, so that they overlap, repeat and straddle every edge of blocks."""
    of, rng = model(letters=letters), np.random.default_rng(1)
    monkeypatch.setattr(sampler, "next_size", lambda size, took: block)
    whole = texts(of, length=120, num=3, temp=2.0)
    for _ in range(25):
        starts, sizes = rng.integers(0, 100, 3), rng.integers(1, 6, 3)
        stops = [whole[rng.integers(3)][a : a + n] for a, n in zip(starts, sizes, strict=True)]
        stops.append(stops[0])
        expected = [until(one, stops) for one in whole]
        assert texts(of, length=120, num=3, temp=2.0, stop=tuple(stops)) == expected


def test_the_stop_that_is_complete_first_counts(monkeypatch):
    """Also where one block holds them all."""
    monkeypatch.setattr(sampler, "next_size", lambda size, took: 100)
    of = model()
    whole = text(of, length=100)
    long, short = whole[20:40], whole[25:28]
    assert whole.find(short) == 25
    assert text(of, length=100, stop=(long, short)) == whole[:25]
    assert text(of, length=100, stop=(whole[24:28], short)) == whole[:24]  # both at once: the longer


def test_a_stop_is_not_looked_for_in_the_prime():
    of = model()
    whole = text(of, prime="abc", length=50)
    assert text(of, prime="abc", length=50, stop=("abc", "c" + whole[0])) == until(
        whole, ["abc", "c" + whole[0]]
    )


def test_log_probabilities_end_with_the_text():
    of = model()
    whole = text(of, length=100)
    for at in (0, 1, 60):
        config = SampleConfig(length=100, stop=(whole[at : at + 9],))
        blocks = list(Sampler(of, config, logprobs=True))
        assert sum(len(block.logprobs[0]) for block in blocks) == at
        assert blocks[-1].ended == [True]


def test_drawing_ends_with_the_last_sample():
    """Without end, in this test too, if it did not."""
    whole = text(model(), length=100)
    assert text(model(), length=0, stop=(whole[50:60],)) == whole[:50]


def test_a_stop_that_cannot_occur():
    of = model()
    with pytest.raises(TextError, match=r"stop 'aé', which cannot occur, .* 'é' \(U\+00E9\)"):
        text(of, stop=("a", "aé"))
    whole = text(of, length=90)
    assert text(of, length=90, stop=("aé", "é"), unknown="skip") == whole  # not cut to "a" or to ""


def bytes_model() -> Checkpoint:
    """A model of bytes that often writes characters of several bytes: é, 語 and 😀."""
    vocabulary = Vocabulary.of_bytes()
    network = support.network("gru", 256, 12)
    likely = list("é語😀\n".encode())
    network.weights.out_bias[0, likely] += 6
    return Checkpoint(network, vocabulary, {})


@pytest.mark.parametrize("block", [1, 2, 5, 64])
def test_bytes_of_a_character_come_together(monkeypatch, block):
    of, config = bytes_model(), SampleConfig(length=3000, seed=1)
    whole = text(of, length=3000, seed=1)
    monkeypatch.setattr(sampler, "next_size", lambda size, took: block)
    parts = [part for block in Sampler(of, config) for part in block.texts]
    assert "".join(parts) == whole
    raw = to_bytes(whole)
    assert len(raw) == 3000
    assert whole == raw.decode("utf-8", "surrogateescape")
    assert sum(map(ord, set(whole))) > 0x1F600  # characters of 4 bytes are among them
    assert any("\udc80" <= c <= "\udcff" for c in whole)  # and bytes that are no UTF-8


def test_a_stop_of_several_bytes(monkeypatch):
    of = bytes_model()
    whole = to_bytes(text(of, length=3000, seed=1))
    stop = "é"
    at = whole.find(stop.encode())
    assert at > 0
    monkeypatch.setattr(sampler, "next_size", lambda size, took: 1)
    assert to_bytes(text(of, length=3000, seed=1, stop=(stop,))) == whole[:at]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}, {"min_p": -0.1}, {"min_p": 1.1}, {"num": 0}),
        *({"repeat_penalty": 0.0}, {"temp": float("nan")}, {"temp": float("inf")}, {"unknown": "ask"}),
        *({"stop": ("a", "")}, {"num": 2, "length": 0}, {"top_p": float("nan")}, {"threads": -1}),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(wrong):
    name = next(reversed(wrong))
    with pytest.raises(UsageError, match=f"^{name} is"):
        SampleConfig(**wrong)
