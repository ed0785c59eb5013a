"""Documents: each from a state of zero, in another order each epoch, whole in validation; exact on resume."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import support
from program import run

import charrnn
from charrnn.checkpoint.reading import load
from charrnn.errors import UsageError
from charrnn.model.shard import Shard
from charrnn.text.blocks import ends
from charrnn.text.documents import Documents, DocumentStreams, split
from charrnn.text.vocabulary import Vocabulary

LINES = "".join(f"{a}+{b}={a + b}\n" for a in range(12) for b in range(12))
POEMS = "\n\n".join(f"{n} bottles\non the wall{'!' * (n % 3)}" for n in range(60)) + "\n\n\n"
OPTIONS = [
    "--cell",
    "gru",
    "--hidden-size",
    8,
    "--seq-len",
    16,
    "--batch-size",
    20,
    "--max-steps",
    40,
    "--out",
    "m",
]


def ids(text: str):
    vocabulary = Vocabulary.of(text)
    return vocabulary.encode(text), vocabulary.newline


def texts(of, newline: int, kind: str) -> list[bytes]:
    return [part.tobytes() for part in np.split(of, ends(of, newline, kind)) if len(part)]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("a\nbc\n\nd", "line", [2, 5, 6]),
        ("a\nbc\n\nd", "blank", [6]),
        ("a\n\n\nb\n\n", "blank", [4, 7]),
        ("\n\na", "blank", [2]),
        ("a\nb\n", "blank", []),
    ],
)
def test_where_documents_end(text, kind, expected):
    points = np.frombuffer(text.encode(), np.uint8)
    assert ends(points, 10, kind).tolist() == expected


@pytest.mark.parametrize(("text", "kind"), [(LINES, "line"), (POEMS, "blank"), (LINES.rstrip("\n"), "line")])
def test_each_epoch_has_every_document_once_in_an_order_of_its_own(text, kind):
    of, newline = ids(text)
    train = split(of, newline, kind, 0.0, 0.0).train
    documents = Documents(train, newline, kind, seed=3)
    orders = [documents.of_epoch(epoch) for epoch in (0, 1, 0)]
    assert all(order[0] == newline for order in orders)
    assert all(
        Counter(texts(order[1:], newline, kind)) == Counter(texts(train, newline, kind)) for order in orders
    )
    assert (orders[0] == orders[2]).all() and (orders[0] != orders[1]).any()
    fresh = documents.fresh(orders[0])
    count = len(texts(train, newline, kind))
    assert fresh.sum() == count + 1 and fresh[0] and fresh[-1]  # after the last one another would begin
    assert (orders[0][fresh] == newline).all()


@pytest.mark.parametrize(("text", "kind"), [(LINES, "line"), (POEMS, "blank")])
def test_a_split_is_made_of_whole_documents(text, kind):
    of, newline = ids(text)
    parts = split(of, newline, kind, 0.2, 0.1)
    assert sum(map(len, parts := [parts.train, parts.val, parts.test])) == len(of)
    assert [
        *texts(parts[0], newline, kind),
        *texts(parts[1], newline, kind),
        *texts(parts[2], newline, kind),
    ] == texts(of, newline, kind)
    assert abs(len(parts[1]) / len(of) - 0.2) < 0.05 and len(parts[2])


def test_a_text_of_one_is_refused():
    for text, kind in (("abc", "line"), ("a\n", "line"), ("a\nb\nc\n", "blank")):
        with pytest.raises(UsageError, match="needs several documents"):
            split(*ids(text), kind, 0.1, 0.0)


def test_parts_of_the_streams_read_what_all_read():
    of, newline = ids(LINES)
    streams = DocumentStreams.made(Documents(of, newline, "line", 0), 6, 16)
    whole, parts = streams.of_epoch(2), [streams.part(0, 4).of_epoch(2), streams.part(4, 6).of_epoch(2)]
    for number in range(streams.chunks):
        for mine, theirs in zip(
            whole.chunk(number), zip(*(p.chunk(number) for p in parts), strict=True), strict=True
        ):
            np.testing.assert_array_equal(mine, np.concatenate(theirs))
        np.testing.assert_array_equal(whole.fresh(number), np.concatenate([p.fresh(number) for p in parts]))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("attention", [0, 5])
@pytest.mark.parametrize("cell", support.CELLS)
def test_a_chunk_of_documents_costs_what_they_cost_alone(cell, attention, dropout):
    """Loss and gradient: against each document from a zero state, read by a shard that knows of none."""
    config = {"num_layers": 2, "attention": attention, "dtype": "float64", "dropout": 0.0}
    network = support.network(cell, 7, 6, **config)
    rng = np.random.default_rng(0)
    text = rng.integers(0, 7, (3, 25))
    fresh = rng.random((3, 24)) < 0.2
    fresh[0, [0, 7, 8, 23]], fresh[1] = True, False
    shard = Shard(network, 3, 24, documents=True)
    layout, grad = network.layout, np.zeros(network.layout.size)
    nats = shard.gradient(text[:, :-1], text[:, 1:], grad, layout.views(grad), 1.0, 0, fresh)
    expected, total = np.zeros_like(grad), 0.0
    for row, begins in zip(text, fresh, strict=True):
        cuts = [0, *np.flatnonzero(begins), 24]
        for start, stop in pairwise(cuts):
            if stop > start:
                alone, part = Shard(network, 1, int(stop - start)), np.zeros_like(grad)
                piece = row[None, start : stop + 1]
                total += alone.gradient(piece[:, :-1], piece[:, 1:], part, layout.views(part), 1.0)
                expected += part
    assert nats == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(grad, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("attention", [0, 5])
def test_what_is_carried_to_the_next_chunk_is_the_last_documents(attention):
    network = support.network("lstm", 7, 6, attention=attention, num_layers=2)
    rng = np.random.default_rng(1)
    text, fresh = rng.integers(0, 7, (2, 30)), np.zeros((2, 20), bool)
    fresh[0, 17], fresh[1, [3, 9]] = True, True
    shard, grad = Shard(network, 2, 20, documents=True), np.zeros(network.layout.size, np.float32)
    shard.gradient(text[:, :20], text[:, 1:21], grad, network.layout.views(grad), 1.0, 0, fresh)
    for row, start in ((0, 17), (1, 9)):
        alone = Shard(network, 1, 20)
        alone.read(text[row, start:20])
        np.testing.assert_array_equal(
            shard.carried[row], _padded(alone.carried[0], shard.carried[row], network)
        )


def _padded(alone, carried, network):
    """What lies before the first step of a document is never read, so it may be anything."""
    views = [network.layout.carried_views(each[None].copy()) for each in (alone, carried)]
    if network.config.attention:
        known = int(views[0]["steps_carried"][0, 0])
        for name in ("past_keys", "past_values"):
            room = views[0][name].shape[1] - known
            views[0][name][0, :room] = views[1][name][0, :room]
    return np.concatenate([view.reshape(-1) for view in views[0].values()])


def test_dropout_is_that_of_other_chunks():
    """Where no document begins, all is as without."""
    network = support.network("gru", 7, 6, dropout=0.4, num_layers=2)
    text = np.random.default_rng(1).integers(0, 7, (2, 11))
    found = []
    for documents in (False, True):
        shard = Shard(network, 2, 10, dropout=True, documents=documents)
        grad = np.zeros(network.layout.size, np.float32)
        fresh = np.zeros((2, 10), bool) if documents else None
        shard.gradient(text[:, :-1], text[:, 1:], grad, network.layout.views(grad), 1.0, 5, fresh)
        found.append(grad)
    np.testing.assert_array_equal(*found)


def trained(folder: Path, *more: object, text: str = LINES, kind: str = "line") -> Path:
    (folder / "t.txt").write_text(text)
    done = run("train", "t.txt", "--documents", kind, *OPTIONS, *more, cwd=folder)
    assert done.code == 0, done.err
    return folder / "m.last.npz"


@pytest.mark.parametrize("kind", ["line", "blank"])
def test_a_stopped_run_goes_on_to_the_same_bits(kind, tmp_path: Path):
    text = LINES if kind == "line" else POEMS
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = load(trained(tmp_path / "whole", "--eval-every", 7, text=text, kind=kind)).network.flat
    trained(
        tmp_path / "cut",
        "--eval-every",
        7,
        "--max-steps",
        23,
        "--epochs",
        50,
        "--threads",
        1,
        text=text,
        kind=kind,
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / "t.txt").write_text(text)
    events = charrnn.Run(
        other / "t.txt",
        out=other / "m",
        cell="gru",
        hidden_size=8,
        seq_len=16,
        batch_size=20,
        max_steps=40,
        eval_every=7,
        documents=kind,
        threads=1,
    )
    for event in events:
        if event.name == "step" and event.step == 23:
            events.stop()
    charrnn.train(other / "t.txt", out=other / "m", resume=True, show=False)
    np.testing.assert_array_equal(load(other / "m.last.npz").network.flat, whole)


def test_validation_and_eval_read_each_from_the_beginning(tmp_path: Path):
    trained(tmp_path, "--test-fraction", 0.2)
    meta = load(tmp_path / "m.npz").meta
    tail = LINES[len(LINES) - meta["corpus"]["test"] :]
    (tmp_path / "tail.txt").write_text(tail)
    shown = json.loads(run("eval", "m.npz", "tail.txt", "--json", cwd=tmp_path).out)["texts"][0]
    assert shown["loss"] == pytest.approx(meta["test"]["loss"], rel=1e-6)
    stateless = json.loads(run("eval", "m.npz", "tail.txt", "--json", "--stateless", cwd=tmp_path).out)[
        "texts"
    ][0]
    assert shown == stateless
    lines = run("eval", "m.npz", "tail.txt", "--per-line", "-q", cwd=tmp_path).out.decode().splitlines()
    swapped = "".join(f"{line}\n" for line in reversed(tail.splitlines()))
    again = run("eval", "m.npz", "-", "--per-line", "-q", cwd=tmp_path, stdin=swapped.encode()).out.decode()
    assert sorted(lines) == sorted(again.splitlines())


def test_a_sample_begins_as_a_document_does(tmp_path: Path):
    trained(tmp_path)
    model = charrnn.load(tmp_path / "m.npz")
    p = model.next_probabilities("1")
    nats = model.score_lines(["1+"])[0]
    first = model.next_probabilities("")[model.characters.index("1")]
    assert "\n" not in model.sample(length=200, seed=3)  # one document, whose end it is
    assert -np.log(first) - np.log(p[model.characters.index("+")]) == pytest.approx(2 * nats.loss, rel=1e-5)
