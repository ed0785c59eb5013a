"""Which tails are noticed: those of sorted lists and of two texts in one, and no others."""

from __future__ import annotations

import codecs
import math
import re
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from program import SMALL, run

from charrnn.text import corpus
from charrnn.text.corpus import Corpus, from_text
from charrnn.text.streams import Split
from charrnn.text.tail_kind import PRIOR, BlockCosts, TailKind, tail_kind, tail_note
from charrnn.text.vocabulary import Vocabulary

CORPORA = Path(__file__).parent.parent / "corpora"
TEXTS = sorted(path.name for path in CORPORA.glob("*.txt"))
LISTS = ["copy.txt", "names.txt", "sums.txt"]  # whose sorted tails begin as no line before them does


def read(name: str) -> str:
    return (CORPORA / name).read_text(encoding="utf-8")


def noted(text: Corpus | str, val_fraction: float = 0.1, seed: int = 0) -> str:
    read = from_text(text) if isinstance(text, str) else text
    return tail_note(Split.of(read.ids, val_fraction), read.vocabulary, seed)


def gain(text: str, val_fraction: float = 0.1, seed: int = 0) -> float:
    read = from_text(text)
    split = Split.of(read.ids, val_fraction)
    found = tail_kind(split.train, split.val, read.vocabulary, seed)
    assert found
    return found.gain


@pytest.mark.parametrize("level", ["char", "byte"])
@pytest.mark.parametrize("name", TEXTS)
def test_ordinary_texts_are_not_noted(name, level):
    """Prose, Chinese too, and lists in random order."""
    text = corpus.load([CORPORA / name], level=level)
    for val_fraction in (0.02, 0.1, 0.3, 0.5):
        assert not noted(text, val_fraction)


@pytest.mark.parametrize("size", [10_000, 20_000, 40_000])
def test_pieces_of_prose_are_not_noted(size, fables):
    """Each begins and ends where chance will have it, but none ends in the one fable that is a play."""
    play = fables.index("A SMALL PLAY")
    stops = [stop for stop in range(size, len(fables), 2_000) if not 0 < stop - play < size // 10 + 2_000]
    assert not [stop for stop in stops if noted(fables[stop - size : stop])]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("level", ["char", "byte"])
def test_a_sorted_list_is_noted_and_can_be_shuffled(name, level, tmp_path):
    lines = sorted(read(name).splitlines(keepends=True))
    (tmp_path / "sorted.txt").write_text("".join(lines))
    note = noted(corpus.load([tmp_path / "sorted.txt"], level=level))
    assert "shuffle_lines" in note and "val" not in note.split(";")[1]
    assert f"nats per {'byte' if level == 'byte' else 'character'} better" in note


@pytest.mark.parametrize("seed", range(5))
def test_another_order_of_a_list_is_not_noted(seed):
    for name in LISTS:
        lines = read(name).splitlines(keepends=True)
        Random(seed).shuffle(lines)
        for some in (len(lines), 700):
            text = "".join(lines[:some])
            assert not noted(text, seed=seed)
            assert abs(gain(text, seed=seed)) < 0.06


OTHERS = {
    "numbers": lambda fables: read("sums.txt"),
    "Chinese": lambda fables: read("fables_zh.txt"),
    "the same letters, other pairs": lambda fables: codecs.encode(fables, "rot13"),
    "in capitals": lambda fables: fables.upper(),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("size", [20_000, 60_000])
def test_a_text_that_another_follows_is_noted_and_another_can_validate(kind, size, fables):
    tail = OTHERS[kind](fables)[: size // 9]
    text = fables[:size] + tail
    note = noted(text, len(tail) / len(text))
    assert "val=FILE" in note and "shuffle_lines" not in note
    assert not noted(tail * 10), "alone it is of one kind"


def test_half_a_tail_is_enough_and_what_was_seen_before_is_not_noted(fables):
    text, other = fables[:60_000], codecs.encode(fables, "rot13")
    assert noted(text + other[:3_000])
    assert not noted(other[:20_000] + text + other[20_000:27_000])


def test_the_figure_is_what_plain_counts_say(fables):
    """By dictionaries, of blocks in three groups."""
    text = from_text(fables[:3_000] + "1234567890 " * 90)
    blocks = text.ids[:3_900].reshape(-1, 30).astype(np.int64)
    group = np.arange(len(blocks)) * 3 // len(blocks)
    got = BlockCosts(blocks, len(text.vocabulary)).apart(group)
    for number, block in enumerate(blocks.tolist()):
        others = [pair for each in blocks[group != group[number]].tolist() for pair in pairwise(each)]
        pairs, firsts, seconds = Counter(others), Counter(a for a, _ in others), Counter(b for _, b in others)
        nats = 0.0
        for first, second in pairwise(block):
            p = (seconds[second] + 1) / (len(others) + len(text.vocabulary))
            nats -= math.log((pairs[first, second] + PRIOR * p) / (firsts[first] + PRIOR))
        assert got[number] == pytest.approx(nats / 29)


def test_what_is_a_list(fables):
    """Many short lines, hardly one of them empty or indented."""

    def is_list(text: str) -> bool:
        read = from_text(text)
        found = tail_kind(read.ids[:-9_000], read.ids[-9_000:], read.vocabulary, 0)
        assert found
        return found.is_list

    names = read("names.txt")
    assert is_list(names)
    assert is_list(names.replace("\n", "\r\n"))
    assert not is_list(names.replace("\n", "\n "))
    assert not is_list(names.replace("\n", "\n\u3000"))
    assert not is_list(names.replace("\n", "\n\n"))
    assert not is_list(names.replace("\n", " "))
    assert not is_list(re.sub(r"((\w+\n){40})", lambda many: many[1].replace("\n", ";") + "\n", names))
    assert not is_list(fables)  # in paragraphs


@pytest.mark.parametrize("is_list", [True, False])
@pytest.mark.parametrize("size, least", [(10**8, 0.1), (10_000, 0.16), (900, 0.3)])
def test_limits(size, least, is_list):
    """Of what a tail gains that costs 2 nats; a short one has a topic."""
    assert TailKind(size, 2.0, least + 0.01, 0.01, is_list).other
    assert not TailKind(size, 2.0, least - 0.01, 0.0, is_list).other
    assert TailKind(size, 2.0, least + 0.01, least / 7, is_list).other == is_list


@pytest.mark.parametrize("val_fraction", [0.0, 1e-4, 0.1, 0.9999])
@pytest.mark.parametrize("size", [3, 100, 9_000])
def test_short_texts_and_tails_say_nothing(val_fraction, size, fables):
    text = codecs.encode(fables[:size], "rot13") + fables[:size]
    if len(text) * (1 - val_fraction) >= 2 and (size < 9_000 or val_fraction != 0.1):
        assert noted(text, val_fraction) == ""


def test_a_seed_is_a_sample(fables):
    """The same seed looks at the same blocks of a text of which it looks at few."""
    text = Random(0).choices(fables.split(), k=200_000)
    one = " ".join(text)
    assert gain(one, seed=1) == gain(one, seed=1) != gain(one, seed=2)


def test_a_large_text_costs_no_memory_of_its_size():
    ids = np.random.default_rng(0).integers(0, 60, 30_000_000, np.uint8)
    vocabulary = Vocabulary(np.arange(60, 120, dtype=np.uint32))
    tracemalloc.start()
    found = tail_kind(ids[:-3_000_000], ids[-3_000_000:], vocabulary, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24e6
    assert found and abs(found.gain) < 0.01


def test_the_command_notes_it_unless_the_user_chose(tmp_path):
    """Once, where a run begins: not where it goes on, nor with a text or an order of the user's."""
    lines = sorted(read("names.txt").splitlines(keepends=True))
    (tmp_path / "names.txt").write_text("".join(lines))
    (tmp_path / "val.txt").write_text(codecs.encode("".join(lines), "rot13"))
    unlike = "the end of the text, held out for validation, differs in kind from the rest"
    train = ["train", "names.txt", *SMALL, "--out", "m.npz"]
    begun = run(*train, "--max-steps", 2, cwd=tmp_path)
    assert begun.code == 0 and begun.err.count(unlike) == 1
    assert "; if the order of the lines does not matter, use --shuffle-lines\n" in begun.err
    for more in (["--shuffle-lines"], ["--val", "val.txt"], ["--val-fraction", 0], ["-q"]):
        assert unlike not in run(*train, *more, "--force", "--dry-run", cwd=tmp_path).err
    resumed = run(*train, "--max-steps", 3, "--resume", cwd=tmp_path)
    assert resumed.code == 0 and unlike not in resumed.err
