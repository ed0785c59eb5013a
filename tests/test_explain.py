"""What is explained is what the plain equations do, what the scores say, and units of a known meaning."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest
import support
from numpy.typing import NDArray
from support import CELLS

import charrnn
from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError, TextError, UsageError
from charrnn.inspection import explanation, page_data
from charrnn.model.network import Network
from charrnn.model.pytorch import named
from charrnn.text.vocabulary import Vocabulary

Array = NDArray[np.float64]
LETTERS = "abc() \n"
LENGTH = 140  # more than a chunk
GATES = {"rnn": [], "gru": ["r", "z"], "lstm": ["i", "f", "g", "o"]}


def model(cell: str, letters: str = LETTERS, **config: Any) -> Checkpoint:
    return Checkpoint(support.network(cell, len(letters), **config), Vocabulary.of(letters), {})


def explained(source: Checkpoint, length: int = LENGTH, top: int = 5) -> explanation.Explanation:
    ids = np.random.default_rng(5).integers(0, len(source.vocabulary), length)
    return explanation.explain(source, ids, "m.npz", top)


def plain_signals(source: Checkpoint, ids: Array) -> dict[tuple[int, str], Array]:
    """States and gates (H, n) by the equations, one character at a time."""
    net, w = source.network, named(source.network.layout, source.network.flat)
    cell, hidden, found = net.config.cell, net.config.hidden_size, dict[tuple[int, str], list[Array]]()
    state = np.zeros((net.config.num_layers, len(net.cell.states), 1, net.config.hidden_size))
    for id_ in ids:
        new = naive.forward(cell, w, np.array([[id_]]), state)[1]
        x = np.eye(net.vocab_size)[id_]
        for l in range(len(new)):
            parts = (w[f"rnn.{name}_l{l}"] for name in ("weight_ih", "weight_hh", "bias"))
            w_ih, w_hh, b = (part.reshape(-1, hidden, *part.shape[1:]) for part in parts)
            for g, name in enumerate(GATES[cell]):
                a = w_ih[g] @ x + w_hh[g] @ state[l, 0, 0] + b[g]
                found.setdefault((l + 1, name), []).append(naive.sigmoid(a))
            for i, name in enumerate("hc"[: len(net.cell.states)]):
                found.setdefault((l + 1, name), []).append(new[l, i, 0])
            x = new[l, 0, 0]
        state = new
    return {key: np.array(values).T for key, values in found.items() if key[1] != "g"}


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_signals_are_the_states_and_gates_of_the_plain_equations(cell, num_layers):
    source = model(cell, num_layers=num_layers, dtype="float64")
    found = explained(source)
    plain = plain_signals(source, found.ids)
    signals = {(signal.layer, signal.name): signal.values for signal in found.trace.signals}
    assert signals.keys() == plain.keys()
    for key, values in plain.items():
        np.testing.assert_allclose(signals[key], values, atol=1e-6, err_msg=str(key))


@pytest.mark.parametrize("attention", [0, 3, 200])
@pytest.mark.parametrize("cell", CELLS)
def test_guesses_are_the_likeliest_of_the_plain_equations(cell, attention):
    source = model(cell, attention=attention, dtype="float64")
    found = explained(source, top=4)
    net = source.network
    zero = np.zeros((1, len(net.cell.states), 1, net.config.hidden_size))
    logits, _ = naive.forward(cell, named(net.layout, net.flat), found.ids[None], zero)
    p = np.exp(logits[0] - logits[0].max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    assert found.guesses[0] == [] and math.isnan(found.bits[0])
    for at in range(1, LENGTH):
        best = np.argsort(-p[at - 1])[:4]
        assert [c for c, _ in found.guesses[at]] == [source.vocabulary.text[i] for i in best]
        np.testing.assert_allclose([chance for _, chance in found.guesses[at]], p[at - 1, best], rtol=1e-9)
        assert found.bits[at] == pytest.approx(-np.log2(p[at - 1, found.ids[at]]), rel=1e-9)


def test_attention_is_told_by_lag():
    source = model("gru", attention=5, dtype="float64")
    found, w = explained(source), named(source.network.layout, source.network.flat)
    h = plain_signals(source, found.ids)[1, "h"].T
    q, k = h @ w["attn.query.weight"].T, h @ w["attn.key.weight"].T
    for t in range(LENGTH):
        lags = np.arange(min(5, t + 1))
        e = k[t - lags] @ q[t] / np.sqrt(q.shape[1]) + w["attn.lag.bias"][lags]
        share = np.zeros(5)
        share[lags] = np.exp(e) / np.exp(e).sum()
        np.testing.assert_allclose(found.trace.attention[t] / 255, share, atol=0.51 / 255)


@pytest.mark.parametrize("dtype", support.DTYPES)
def test_bits_are_those_of_scoring(dtype, tmp_path):
    source = model("lstm", dtype=dtype, hidden=20, attention=4)
    save(tmp_path / "m.npz", source)
    loaded = charrnn.load(tmp_path / "m.npz")
    found = explained(source, top=99)
    text = "".join(found.characters)
    np.testing.assert_array_equal(loaded.explain(text).trace.nats, loaded.nats(text))
    np.testing.assert_array_equal(found.trace.nats, loaded.nats(text))
    for at in range(1, LENGTH):
        assert len(found.guesses[at]) == len(LETTERS)
        assert sum(dict(found.guesses[at]).values()) == pytest.approx(1, abs=1e-5)
        assert dict(found.guesses[at])[text[at]] == pytest.approx(2 ** -found.bits[at], rel=1e-5)


def counter() -> Checkpoint:
    """Two layers; unit 2 of the first counts open brackets, all other weights are random and small."""
    vocabulary = Vocabulary.of(LETTERS)
    net = Network(ModelConfig("rnn_relu", 4, num_layers=2, dropout=0.0), len(vocabulary), seed=1)
    net.flat *= 0.2
    w, up, down = net.weights, *vocabulary.encode("()")
    w.recurrent[0, 0, 2], w.recurrent[0, 0, 2, 2], w.bias[0, 0, 2] = 0, 1, 0
    w.input[:, 0, 2], w.input[up, 0, 2], w.input[down, 0, 2] = 0, 1, -1
    return Checkpoint(net, vocabulary, {})


def test_the_ranking_has_all_that_is_carried_or_what_is_asked_for():
    found = explained(model("lstm", num_layers=2, hidden=10), 2000)
    both, parts = found.ranking(), {name: found.ranking(name) for name in "hc"}
    assert {tracked.signal for tracked in both} == {"h", "c"}
    for name, part in parts.items():
        assert {tracked.signal for tracked in part} == {name}
    every = sorted([*parts["h"], *parts["c"]], key=lambda tracked: -tracked.score)
    for thing in {tracked.tracks for tracked in both}:
        best = [tracked for tracked in every if tracked.tracks == thing][: explanation.BEST]
        assert {*best} == {tracked for tracked in both if tracked.tracks == thing}
    assert {tracked.signal for tracked in found.ranking("f")} == {"f"}
    with pytest.raises(UsageError, match="the signal is 'nonsense'; choose one of: h, c, i, f, o"):
        found.ranking("nonsense")


@pytest.mark.parametrize("scale, at", [(3e38, 1), (1e30, 2)])
def test_a_network_that_overflows_is_refused_in_one_line(scale, at):
    """Finite weights, as a stranger's file may have them; warnings would be errors here."""
    source = model("rnn_relu", num_layers=2)
    source.network.flat[...] = scale
    with pytest.raises(CharrnnError, match=f"overflows at character {at} .* h of layer 1 .*lower lr"):
        explained(source)


def test_the_largest_numbers_that_do_not_overflow_are_explained():
    source = model("rnn_relu", embed_size=2)
    source.network.weights.recurrent[...] = 0
    source.network.weights.bias[...] = 3e38
    source.network.weights.out[...] = 1e-38
    found = explained(source)
    assert all(np.isfinite(signal.values).all() for signal in found.trace.signals)
    source.network.weights.bias[...] = np.linspace(1e38, 3e38, 6)
    source.network.weights.input[...] = np.random.default_rng(0).uniform(-3e37, 3e37, (1, 6, 2))
    found = explained(source)
    assert all(tracked.score <= 1 for tracked in found.ranking())
    json.dumps(page_data.data(found) | {"lags": []}, allow_nan=False)


def test_a_unit_that_counts_is_ranked_first():
    source = counter()
    text = "a (b(c) a)\n((b c) (a(b)) c)\n" * 10
    ranking = explanation.explain(source, source.vocabulary.encode(text)).ranking()
    assert ranking[0] == explanation.Tracked(1, "h", 2, "depth of brackets", 1.0, 1)
    assert [tracked.score for tracked in ranking] == sorted((t.score for t in ranking), reverse=True)
    named = [tracked.tracks for tracked in ranking]
    assert set(named) == {"depth of brackets", "line length so far", "word start", "word length so far"}
    assert max(map(named.count, named)) == explanation.BEST
    assert any(tracked.sign < 0 for tracked in ranking)


def unpacked(packed: str, rows: int) -> NDArray[np.uint8]:
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8).reshape(rows, -1)


def test_data_holds_what_was_found():
    found = explained(model("lstm", attention=3, num_layers=2))
    data = json.loads(json.dumps(page_data.data(found), allow_nan=False))
    assert data["name"] == "m.npz" and data["summary"].startswith("lstm, 2 x 6 units, attention over 3, ")
    assert data["chars"] == found.characters and data["bits"][0] is None
    np.testing.assert_allclose(data["bits"][1:], found.bits[1:], atol=5.1e-5)
    assert data["bpc"] == pytest.approx(np.nanmean(found.bits))
    assert [[c for c, _ in place] for place in data["guesses"]] == [
        [c for c, _ in place] for place in found.guesses
    ]
    assert [(s["layer"], s["name"]) for s in data["signals"]] == [(l, n) for n in "hcifo" for l in (1, 2)]
    values = {(signal.layer, signal.name): signal.values for signal in found.trace.signals}
    for signal in data["signals"]:
        low, high = np.array([signal["low"], signal["high"]])[:, :, None]
        expected = values[signal["layer"], signal["name"]]
        shown = low + (high - low) * unpacked(signal["data"], len(signal["units"])) / 255
        assert (np.abs(shown - expected) <= 0.6 * (high - low) / 255).all()
        np.testing.assert_allclose(high[:, 0], np.abs(expected).max(axis=1), rtol=1e-3)
        np.testing.assert_array_equal(low, -high if signal["name"] in "hc" else 0 * high)
    untrained = [entry.pop("untrained") for entry in data["ranking"]]
    assert data["ranking"] == [tracked._asdict() for tracked in found.ranking()]
    fresh = Network(found.checkpoint.network.config, len(LETTERS), seed=0)
    beside = explanation.explain(replace(found.checkpoint, network=fresh), found.ids).ranking()
    best = [max(t.score for t in beside if t.tracks == each.tracks) for each in found.ranking()]
    assert untrained == best
    assert data["places"] == found.places.tolist() and data["legible"] is None
    assert data["symbol"] == "character"
    assert data["attention"]["window"] == 3
    np.testing.assert_array_equal(unpacked(data["attention"]["data"], LENGTH), found.trace.attention)


def test_the_gradient_is_that_of_the_library_beside_untrained_cells():
    source = model("gru", attention=2)
    found = explained(source)
    lags = page_data.data(found)["lags"]
    names = ["this model", "rnn, untrained", "gru, untrained", "lstm, untrained"]
    assert [(lag["name"], lag["trained"], len(lag["norms"])) for lag in lags] == [
        (name, name == names[0], explanation.LAGS + 1) for name in names
    ]
    own = explanation.gradient_over_lag(
        source.network, found.ids, explanation.LAGS, explanation.POSITIONS
    ).output
    np.testing.assert_allclose(lags[0]["norms"], own, rtol=1e-3)
    for lag, cell in zip(lags[1:], ("rnn", "gru", "lstm"), strict=True):
        net = Network(ModelConfig(cell, 6), len(LETTERS), seed=0)
        beside = explanation.gradient_over_lag(net, found.ids, explanation.LAGS, explanation.POSITIONS).output
        np.testing.assert_allclose(lag["norms"], beside, rtol=1e-3)
    assert len(page_data.data(explained(source, length=2))["lags"][3]["norms"]) == 1


def test_a_large_page_has_all_units_of_h_and_the_ranked_ones_of_the_rest(monkeypatch):
    source, text = model("lstm", hidden=40), "a (b(c) a)\n((b c) (a(b)) c)\n" * 20
    monkeypatch.setattr(explanation, "POSITIONS", 1)
    found = explanation.explain(source, source.vocabulary.encode(text))
    ranked = sorted({tracked.unit for tracked in found.ranking()})
    sizes = [len(signal["data"]) for signal in page_data.data(found)["signals"]]
    assert len(ranked) < 40
    for fit, cut in (
        (5, ""),
        (3, "; only the ranked units of f, o"),
        (0, "; only the ranked units of c, i, f, o"),
    ):
        monkeypatch.setattr(page_data, "LARGEST", sum(sizes[:fit]))
        data = page_data.data(found)
        units = [signal["units"] for signal in data["signals"]]
        assert units == [[*range(40)]] * max(1, fit) + [ranked] * min(4, 5 - fit)
        assert data["summary"] == found.summary + cut
        for signal in data["signals"]:
            assert unpacked(signal["data"], len(signal["units"])).shape[1] == len(text)


def test_bytes_and_controls_are_shown_as_escapes():
    vocabulary = Vocabulary.of_bytes()
    source = Checkpoint(support.network("rnn", 256), vocabulary, {})
    given = "a\u00e9\n\t\x1b\\\U0001f600\udcff"
    data = page_data.data(explanation.explain(source, vocabulary.encode(given)))
    smile = ["\\xf0", "\\x9f", "\\x98", "\\x80"]
    assert data["chars"] == ["a", "\\xc3", "\\xa9", "\n", "\t", "\\x1b", "\\", *smile, "\\xff"]
    dots = ["\u00b7"] * 3
    assert data["legible"] == [
        *("a", "\u00e9", "\u00b7", "\n", "\t", "\\x1b", "\\"),
        *("\U0001f600", *dots, "\\xff"),
    ]
    assert data["symbol"] == "byte"


def test_a_file_is_read_up_to_the_limit(tmp_path: Path, monkeypatch):
    source, path = model("rnn"), tmp_path / "text"
    path.write_text("ab" * 10_000)
    assert len(explanation.read(path, source)[0]) == explanation.LONGEST
    path.write_text("ab" * 10_000 + "c")
    with pytest.raises(TextError, match=r"text has more than 20,000 characters; .*head -n 300 FILE"):
        explanation.read(path, source)
    path.write_text("a?b\n?!\n!c")
    ids, places, skipped = explanation.read(path, source, unknown="skip")
    assert (source.vocabulary.decode(ids), skipped) == ("ab\n\nc", 4)
    assert places.tolist() == [[1, 1], [1, 3], [1, 4], [2, 3], [3, 2]]
    monkeypatch.setattr("charrnn.text.source.BLOCK", 2)
    np.testing.assert_array_equal(explanation.read(path, source, unknown="skip").places, places)
    with pytest.raises(TextError, match="never saw"):
        explanation.read(path, source)
    for text in ("", "a", "?a?"):
        path.write_text(text)
        with pytest.raises(TextError, match="at least 2"):
            explanation.read(path, source, unknown="skip")


def test_what_cannot_be_is_said(saved):
    loaded = charrnn.load(saved)
    for text, words in (("a", "at least 2"), ("ab" * 10_001, "20,000"), ("abx", "never saw")):
        with pytest.raises(TextError, match=words):
            loaded.explain(text)
    with pytest.raises(UsageError, match=r"^top is 0"):
        loaded.explain("abc", top=0)


def test_the_state_is_carried_through_a_long_text_as_one():
    """Beyond the length from which scoring cuts a text into streams."""
    source = model("lstm", hidden=8)
    found = explained(source, length=9000)
    again = explanation.explain(source, found.ids[:200])
    for whole, part in zip(found.trace.signals, again.trace.signals, strict=True):
        np.testing.assert_array_equal(whole.values[:, :200], part.values)
    scored = charrnn.api.Model(replace(source)).nats("".join(found.characters))
    np.testing.assert_allclose(found.trace.nats, scored, atol=1e-4)
