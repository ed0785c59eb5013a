"""Predictions of texts that come in pieces, of lines, of characters, and of a model that goes on learning."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
import support
from support import CELLS

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.config import EvalConfig
from charrnn.errors import TextError, UsageError
from charrnn.model.pytorch import named
from charrnn.model.shard import Shard
from charrnn.parallel.threads import Team
from charrnn.scoring import dynamic_evaluation
from charrnn.scoring import reader as reader_module
from charrnn.scoring.dynamic_evaluation import DynamicReader
from charrnn.scoring.metrics import Tally
from charrnn.scoring.reader import Reader, score_lines
from charrnn.scoring.texts import TextScorer
from charrnn.text.vocabulary import Vocabulary

LETTERS = "abc\n "
VOCAB = len(LETTERS)


def text(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, VOCAB, length).astype(np.uint8)


def expected(net: support.Network, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nats, and whether the likeliest character came, of all but the first, by the plain equations."""
    start = np.zeros((net.config.num_layers, len(net.cell.states), 1, net.config.hidden_size))
    logits, _ = naive.forward(net.config.cell, named(net.layout, net.flat), ids[None, :-1], start)
    return naive.nats(logits, ids[None, 1:])[0], logits[0].argmax(1) == ids[1:]


@pytest.mark.parametrize("cell", CELLS)
def test_pieces_of_any_size_are_scored_as_the_whole(cell):
    net = support.network(cell, VOCAB, num_layers=2, dtype="float64")
    ids, sizes = text(400), [1, 1, 2, 130, 0, 200, 66]
    nats, right = expected(net, ids)
    reader, at = Reader(net, Team(1)), 0
    for size in sizes:
        scores = reader.read(ids[at : at + size])
        assert len(scores.nats) == size
        for i in range(size):
            if at + i == 0:
                assert math.isnan(scores.nats[0]) and not scores.correct[0]
            else:
                assert scores.nats[i] == pytest.approx(nats[at + i - 1], abs=1e-12)
                assert scores.correct[i] == right[at + i - 1]
        at += size
    assert at == 400 and 20 < right.sum() < 380


@pytest.mark.parametrize("sizes", [[100, 9000, 300], [8193, 1, 5000, 8300], [20_000, 20_000]])
def test_long_pieces_which_run_side_by_side_carry_the_state_on(sizes, monkeypatch):
    """Against one stream; a gate that keeps makes the state reach back over hundreds of characters."""
    net = support.network("gru", VOCAB, 8, dtype="float64")
    net.weights.bias[:, 1] = 2
    ids = text(sum(sizes))
    pieces = np.split(ids, np.cumsum(sizes)[:-1])
    reader = Reader(net, Team(2))
    got = np.concatenate([reader.read(piece).nats for piece in pieces])
    monkeypatch.setattr(reader_module, "STREAMS", 1)
    np.testing.assert_allclose(got[1:], Reader(net, Team(1)).read(ids).nats[1:], rtol=0, atol=1e-9)


@pytest.mark.parametrize("start", [None, 3])
def test_lines_that_stand_alone_are_scored_from_zero_in_any_company(start):
    net = support.network("lstm", VOCAB, dtype="float64")
    lines = [text(size, seed=size) for size in [5, 0, 1, 300, 2, *range(7, 47), 129]]
    found = score_lines(net, lines, start, Team(2))
    assert [len(scores.nats) for scores in found] == [len(line) for line in lines]
    for line, scores in zip(lines, found, strict=True):
        whole = np.concatenate([[] if start is None else [start], line]).astype(int)
        got = scores.nats if start is not None else scores.nats[1:]
        assert start is not None or np.isnan(scores.nats[:1]).all()
        if len(whole) > 1:
            nats, right = expected(net, whole)
            np.testing.assert_allclose(got, nats, rtol=0, atol=1e-12)
            np.testing.assert_array_equal(scores.correct[-len(nats) :], right)


def plain_rmsprop(net: support.Network, ids: np.ndarray, lr: float, size: int) -> list[float]:
    """Dynamic evaluation in plain steps: the mean nats of each chunk, before it is learned from."""
    net = support.Network(net.config, net.vocab_size, net.flat.copy())
    state, v, losses = np.zeros((1, len(net.cell.states), 1, net.config.hidden_size)), 0.0, []
    for at in range(0, len(ids) - size, size):
        shard = Shard(net, 1, size)
        net.pack()
        shard.rows_of_state[...] = state
        inputs, targets = ids[None, at : at + size], ids[None, at + 1 : at + size + 1]
        loss, grads, _ = support.gradient(shard, inputs, targets)
        losses.append(loss)
        logits, state = naive.forward(net.config.cell, named(net.layout, net.flat), inputs, state)
        assert naive.nats(logits, targets).mean() == pytest.approx(loss)
        g = np.concatenate([grad.ravel() for grad in grads.values()])
        g *= min(1, 1 / np.sqrt((g * g).sum()))
        v = 0.99 * v + 0.01 * g * g
        update = lr * g / (np.sqrt(v) + 1e-8)
        for values in named(net.layout, net.flat).values():
            values -= update[: values.size].reshape(values.shape)
            update = update[values.size :]
    return losses


@pytest.mark.parametrize("cell", CELLS)
def test_dynamic_evaluation_learns_as_plain_steps_do(cell):
    net, size, count = support.network(cell, VOCAB, dtype="float64"), dynamic_evaluation.CHUNK, 6
    ids = text(size * count + 1)
    before = net.flat.copy()
    nats = DynamicReader(net, 0.01).read(ids).nats[1:]
    np.testing.assert_allclose(
        nats.reshape(count, size).mean(1), plain_rmsprop(net, ids, 0.01, size), rtol=1e-9
    )
    np.testing.assert_array_equal(net.flat, before)  # a copy learned


def test_dynamic_evaluation_does_not_depend_on_pieces_nor_on_what_comes_later():
    net = support.network("gru", VOCAB, dtype="float64")
    ids = text(300)
    whole = DynamicReader(net, 0.01).read(ids)
    for sizes in ([1] * 300, [31, 1, 1, 33, 64, 170]):
        reader = DynamicReader(net, 0.01)
        parts = [reader.read(piece) for piece in np.split(ids, np.cumsum(sizes)[:-1])]
        np.testing.assert_allclose(np.concatenate([p.nats for p in parts]), whole.nats, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(np.concatenate([p.correct for p in parts]), whole.correct)
    other = np.concatenate([ids[:200], 4 - ids[200:]])
    np.testing.assert_array_equal(DynamicReader(net, 0.01).read(other).nats[:200], whole.nats[:200])


def test_dynamic_evaluation_lowers_the_loss_of_a_text_that_repeats_itself():
    net, ids = support.network("gru", VOCAB, 16), np.tile(text(50), 40)
    static, learned = Tally(), Tally()
    static.add(Reader(net, Team(1)).read(ids))
    learned.add(DynamicReader(net, 0.005).read(ids))
    assert learned.metrics.loss < 0.7 * static.metrics.loss


@pytest.fixture
def model() -> Checkpoint:
    return Checkpoint(support.network("gru", VOCAB, dtype="float64"), Vocabulary.of(LETTERS), {})


def scorer(model: Checkpoint, **config: object) -> TextScorer:
    return TextScorer(model, EvalConfig(**config), Team(2))


LINES = "ab c\n\nc a?b\n" * 900 + "cab"  # long enough for streams, the question marks left out


def test_lines_add_up_to_the_whole_text(model, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text(LINES)
    whole, skipped = scorer(model, unknown="skip").whole(path)
    lines = [line[:2] for line in scorer(model, unknown="skip").lines(path)]
    assert [line for line, _ in lines] == LINES.split("\n")
    assert skipped == LINES.count("?")
    assert sum(score.chars for _, score in lines) == whole.chars == len(LINES) - skipped - 1
    nats = sum(score.loss * score.chars for _, score in lines if score.chars)
    assert nats == pytest.approx(whole.loss * whole.chars, rel=1e-12)
    known, _ = expected(model.network, model.vocabulary.encode(LINES.replace("?", "")[:500]))
    seen = np.concatenate([piece.predictions.nats for piece in scorer(model, unknown="skip").pieces(path)])
    np.testing.assert_allclose(seen[~np.isnan(seen)][:499], known, rtol=0, atol=1e-9)


def test_the_figures_of_a_text_have_the_same_bits_however_it_arrives(model, tmp_path, monkeypatch):
    path = tmp_path / "t.txt"
    path.write_text(LINES * 2)  # several pieces of several streams
    monkeypatch.setattr("charrnn.scoring.texts.PIECE", 10_000)
    figures = set()
    for block in (1000, 4096, 1 << 20):
        monkeypatch.setattr("charrnn.text.source.BLOCK", block)
        figures.add(scorer(model, unknown="skip").whole(path))
    assert len(figures) == 1


def test_lines_alone_are_scored_after_a_newline(model, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("ab\ncc\nab")
    (_, first, _), (_, second, _), (_, last, _) = scorer(model, stateless=True).lines(path)
    newline = int(model.vocabulary.encode("\n")[0])
    for score, line in ((first, "ab\n"), (second, "cc\n"), (last, "ab")):
        nats, right = expected(model.network, np.array([newline, *model.vocabulary.encode(line)]))
        assert score.loss == pytest.approx(nats.mean(), rel=1e-12)
        assert (score.chars, score.accuracy) == (len(line), right.mean())


def test_a_block_may_end_anywhere(model, tmp_path, monkeypatch):
    path = tmp_path / "t.txt"
    path.write_text(LINES[:60])
    for config in ({}, {"stateless": True}):
        expected_lines = [line[:2] for line in scorer(model, unknown="skip", **config).lines(path)]
        for block in (1, 2, 7):
            monkeypatch.setattr("charrnn.text.source.BLOCK", block)
            got = [line[:2] for line in scorer(model, unknown="skip", **config).lines(path)]
            assert [(line, s.chars) for line, s in got] == [(line, s.chars) for line, s in expected_lines]
            np.testing.assert_allclose(
                [s.loss for _, s in got], [s.loss for _, s in expected_lines], rtol=1e-12, equal_nan=True
            )
        monkeypatch.undo()


def test_what_cannot_be_scored_is_refused(model, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("a?b")
    with pytest.raises(TextError, match=r"'\?' \(U\+003F\).*character 1 \(line 1\); .*unknown=.skip"):
        scorer(model).whole(path)
    path.write_text("??a?")
    with pytest.raises(TextError, match="4 characters, 3 of them unknown"):
        scorer(model, unknown="skip").whole(path)
    with pytest.raises(UsageError, match="choose one"):
        EvalConfig(stateless=True, dynamic=True)
    for wrong in ({"lr": 0.0}, {"unknown": "maybe"}):
        with pytest.raises(UsageError):
            EvalConfig(**wrong)
