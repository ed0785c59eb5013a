"""Lines in a drawn order: each is there once and whole, and a run that goes on has the same order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import SMALL, run
from support import rewrite_meta

from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import UsageError
from charrnn.text import corpus, line_order
from charrnn.text.corpus import from_text
from charrnn.text.line_order import shuffle_lines
from charrnn.text.notes import Notes
from charrnn.training.plan import Plan

NAMES = "".join(f"{first}{middle}{last}\n" for first in "ABDKM" for middle in "aeiou" for last in "nrst")
STEPS = [*SMALL, "--max-steps", "3", "-q"]


def shuffled(text: str, seed: int = 0) -> str:
    done = shuffle_lines(from_text(text), seed, Notes())
    return done.vocabulary.decode(done.ids)


def in_order(lines: list[str], seed: int) -> str:
    return "".join(lines[i] for i in np.random.default_rng([seed, 3]).permutation(len(lines)))


# lines of both kinds: many short ones, moved together, and some that are moved one by one
LINES = st.lists(st.text("ab é", max_size=9) | st.sampled_from(["", "x" * 500, "漢" * 300]), min_size=2)


@given(LINES, st.integers(0, 5), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 4))
def test_every_line_is_there_once_in_the_order_that_the_seed_draws(lines, seed, end, whole, batch):
    """And has its end, of one character or two, also where the text's last line lacked it."""
    ended = [line + end for line in lines]
    text = "".join(ended)
    if lines[-1] and not whole:
        text = text.removesuffix(end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_order, "BATCH", batch)
        assert shuffled(text, seed) == in_order(ended, seed)


def test_the_type_of_the_ids_and_the_digest_stay():
    """The digest is of what was read."""
    before = from_text(NAMES)
    after = shuffle_lines(before, 0, Notes())
    assert after.ids.dtype == before.ids.dtype
    assert after.sha256 == before.sha256 and after.vocabulary is before.vocabulary


def test_a_last_line_without_an_end_gets_one_and_that_is_noted():
    notes = Notes()
    done = shuffle_lines(from_text("one\ntwo\nthree"), 0, notes)
    assert sorted(done.vocabulary.decode(done.ids).splitlines(True)) == ["one\n", "three\n", "two\n"]
    (note,) = notes
    assert note.startswith("the last line had no line end")
    shuffle_lines(from_text("one\ntwo\n"), 0, silent := Notes())
    assert not [*silent]


@pytest.mark.parametrize("text", ["", "one", "one\n", "one\rtwo\r"])
def test_a_single_line_has_no_order(text):
    with pytest.raises(UsageError, match=r"shuffle_lines needs several lines.*end each line with"):
        shuffle_lines(from_text(text), 0, Notes())


def test_any_bytes_are_lines(tmp_path):
    data = b"\xff\xfe\n\x00\n\xe6\xbc\n\xa2"
    (tmp_path / "a").write_bytes(data)
    done = shuffle_lines(corpus.load([tmp_path / "a"], level="byte"), 1, Notes())
    assert sorted(done.ids.tobytes().split(b"\n")) == sorted([*data.split(b"\n"), b""])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text(NAMES)
    return tmp_path


def said(path: Path) -> dict[str, dict[str, object]]:
    """What a checkpoint tells of its run."""
    with np.load(path) as file:
        meta: dict[str, dict[str, object]] = json.loads(file["meta"].tobytes())
    return meta


def validated(text: str, val: str | None = None) -> object:
    """The digest of what validates: the text's tail, or a text of its own."""
    corpus = from_text(text)
    ids = None if val is None else corpus.vocabulary.encode(val)
    return Plan.of(corpus, ModelConfig(), TrainConfig(), ids).corpus["val_sha256"]


@pytest.mark.parametrize("seed", [0, 7])
def test_a_run_validates_on_the_tail_of_the_drawn_order(folder, seed):
    train = ["train", "names.txt", *STEPS, "--out", "m.npz", "--seed", seed]
    assert run(*train, "--shuffle-lines", cwd=folder).code == 0
    meta = said(folder / "m.npz")
    assert meta["training"]["shuffle_lines"] is True
    drawn = validated(in_order(NAMES.splitlines(True), seed))
    assert meta["corpus"]["val_sha256"] == drawn != validated(NAMES)


def test_a_run_goes_on_with_its_order_and_no_other(folder):
    train = ["train", "names.txt", *SMALL, "-q", "--lr-schedule", "constant", "--warmup", 0, "--dropout", 0.2]
    for out, more in (("whole", ["--max-steps", 9]), ("m", ["--max-steps", 4])):
        assert run(*train, *more, "--shuffle-lines", "--out", out, cwd=folder).code == 0
    resumed = run(*train, "--resume", "--max-steps", 9, "--out", "m", cwd=folder)
    assert resumed.code == 0, resumed.err
    with np.load(folder / "whole.last.npz") as one, np.load(folder / "m.last.npz") as other:
        assert all((one[name] == other[name]).all() for name in one.files if name != "meta")
    assert run(*train, *STEPS, "--out", "plain", cwd=folder).code == 0
    refused = run(*train, "--resume", "--shuffle-lines", "--out", "plain", cwd=folder)
    assert refused.code == 2
    assert "--shuffle-lines is True, but the saved training has False" in refused.err


def test_a_run_of_a_version_that_shuffled_nothing_goes_on_as_it_was(folder):
    train = ["train", "names.txt", *SMALL, "--out", "m.npz", "-q"]
    assert run(*train, "--max-steps", 3, cwd=folder).code == 0
    rewrite_meta(folder / "m.last.npz", lambda meta: meta["training"].pop("shuffle_lines"))
    refused = run(*train, "--resume", "--shuffle-lines", cwd=folder)
    assert refused.code == 2 and "--shuffle-lines is True" in refused.err
    assert run(*train, "--resume", "--max-steps", 5, cwd=folder).code == 0


def test_a_text_of_its_own_that_validates_keeps_its_order(folder):
    """And a model to begin from may know other characters."""
    (folder / "val.txt").write_text(NAMES[:50])
    train = ["train", "names.txt", "--val", "val.txt", *STEPS]
    assert run(*train, "--shuffle-lines", "--out", "m.npz", cwd=folder).code == 0
    assert run(*train, "--out", "in-order.npz", cwd=folder).code == 0
    with np.load(folder / "m.npz") as one, np.load(folder / "in-order.npz") as other:
        assert (one["out.weight"] != other["out.weight"]).any()
    assert said(folder / "m.npz")["corpus"]["val_sha256"] == validated(NAMES, NAMES[:50])
    (folder / "more.txt").write_text(NAMES.replace("A", "Z"))
    tails = set()
    for more in ([], ["--shuffle-lines"]):
        tune = ["train", "more.txt", *STEPS[-3:], "--init-from", "m.npz", "--out", "tuned.npz", "--force"]
        tuned = run(*tune, *more, cwd=folder)
        assert tuned.code == 0, tuned.err
        tails.add(said(folder / "tuned.npz")["corpus"]["val_sha256"])
    assert len(tails) == 2


def test_a_text_of_one_line_is_refused_in_a_line(folder):
    (folder / "one.txt").write_text(NAMES.replace("\n", " "))
    for more in ([], ["--level", "byte"]):
        refused = run("train", "one.txt", "--shuffle-lines", "--dry-run", *more, cwd=folder)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert "charrnn: --shuffle-lines needs several lines" in refused.err


def test_the_line_end_that_was_added_counts(folder):
    (folder / "open.txt").write_text(NAMES[:-1])
    done = run("train", "open.txt", "--shuffle-lines", "--dry-run", cwd=folder)
    assert len(NAMES) == 400
    assert "360 train, 40 val" in done.out.decode()
    assert "the last line had no line end" in done.err
