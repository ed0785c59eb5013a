"""The texts that come with the repository: what they promise, and their entropy counted from the text."""

from __future__ import annotations

import math
import re
import runpy
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

CORPORA = Path(__file__).parent.parent / "corpora"
MADE = ["sums", "copy", "markov", "brackets"]
TOLERANCE = 0.012  # nats per character; what 150 KB of text leave to chance, and then some
sys.path.insert(0, str(CORPORA))  # as if make.py were run there, for its import of number_words
make = SimpleNamespace(**runpy.run_path(str(CORPORA / "make.py")))


def read(name: str) -> str:
    return (CORPORA / name).read_bytes().decode("utf-8")


def documented(kind: str) -> tuple[list[str], float]:
    """The options of the README's command for a text, and the entropy that its table states."""
    (row,) = re.findall(rf"^\| `{kind}\.txt` .*", read("README.md"), re.MULTILINE)
    (command,) = re.findall(r"`python corpora/make\.py ([^`>]*) > (?:corpora/)?" + kind, row)
    return shlex.split(command), float(re.findall(r"([0-9.]+) nats", row)[0])


def counted(steps: Iterable[tuple[object, str]]) -> float:
    """Entropy of a character given the state before it, from counts alone."""
    pairs = Counter(steps)
    states: Counter[object] = Counter()
    for (state, _), count in pairs.items():
        states[state] += count
    free = sum(count * math.log(states[state] / count) for (state, _), count in pairs.items())
    return free / pairs.total()


def in_lines(text: str) -> Iterator[tuple[object, str]]:
    """The state is all of the line so far."""
    for line in text.splitlines(keepends=True):
        yield from ((line[:i], c) for i, c in enumerate(line))


def in_copies(text: str) -> Iterator[tuple[object, str]]:
    """The state is the place in the first half, and then the very character that must come."""
    for line in text.splitlines(keepends=True):
        length = line.index(" ")
        yield from ((i if i <= length else line[i:], c) for i, c in enumerate(line))


def in_contexts(text: str) -> Iterator[tuple[object, str]]:
    """The state is the last two characters."""
    yield from ((text[i - 2 : i], text[i]) for i in range(2, len(text)))


def in_brackets(text: str) -> Iterator[tuple[object, str]]:
    """The state is the depth and the bracket that is due; a line's beginning is a state of its own."""
    due, before = "", "\n"
    for c in text:
        yield (before == "\n", len(due), due[-1:]), c
        due = due[:-1] if c in ")]}>" else due + {"(": ")", "[": "]", "{": "}", "<": ">"}.get(c, "")
        before = c


@pytest.mark.parametrize("kind", MADE)
def test_the_text_is_what_the_documented_command_makes(kind, tmp_path):
    options, entropy = documented(kind)
    command = [tmp_path / Path(o).name if o.endswith(".txt") else o for o in options]
    made = subprocess.run(
        [sys.executable, CORPORA / "make.py", *command], capture_output=True, timeout=60, check=True
    )
    assert made.stdout == (CORPORA / f"{kind}.txt").read_bytes()
    assert made.stderr.decode().startswith(f"{entropy:.6f} nats")
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (CORPORA / file.name).read_bytes()


def test_sums_are_right_and_none_is_held_out_in_either_order():
    seen, held = (re.findall(r"(\d+)\+(\d+)=(\d+)\n", read(name)) for name in ("sums.txt", "sums_test.txt"))
    for name, sums in (("sums.txt", seen), ("sums_test.txt", held)):
        assert len(sums) == read(name).count("\n")
        assert all(int(a) + int(b) == int(c) for a, b, c in sums)
    assert len(set(held)) == len(held) > 900
    assert not set(held) & (set(seen) | {(b, a, c) for a, b, c in seen})
    pairs, rest = make.split_pairs(Random(5), 20, 0.3)
    assert sorted(pairs + rest) == [(a, b) for a in range(21) for b in range(21)]


def test_copies_are_copies():
    assert all(re.fullmatch(r"([a-z]{5,15}) {10}\1", line) for line in read("copy.txt").splitlines())


def test_brackets_balance_and_stay_within_the_depth():
    depths = set()
    for line in read("brackets.txt").splitlines():
        due = ""
        for c in line:
            if c in ")]}>":
                assert due.endswith(c)
                due = due[:-1]
            else:
                due += {"(": ")", "[": "]", "{": "}", "<": ">"}[c]
            depths.add(len(due))
        assert line and not due
    assert depths == set(range(9))


@pytest.mark.parametrize(
    ("kind", "steps"), [("copy", in_copies), ("markov", in_contexts), ("brackets", in_brackets)]
)
def test_the_entropy_is_what_the_text_shows(kind, steps):
    assert counted(steps(read(f"{kind}.txt"))) == pytest.approx(documented(kind)[1], abs=TOLERANCE)


def test_the_entropy_of_sums_is_what_many_of_a_few_pairs_show():
    pairs, _ = make.split_pairs(Random(1), 12, 0.1)
    text = "".join(islice(make.uniform(Random(2), [make.sum_line(*pair) for pair in pairs]), 20000))
    assert counted(in_lines(text)) == pytest.approx(
        make.uniform_entropy([make.sum_line(*pair) for pair in pairs]), abs=TOLERANCE
    )


def test_entropies_that_are_known_by_hand():
    flat = [[1.0] * 9] * 81
    assert make.markov_entropy(flat) == pytest.approx(math.log(9))
    assert make.copies_entropy(3, 3, 2) == pytest.approx(3 * math.log(26) / 9)
    assert make.uniform_entropy(["1+1=2\n", "2+3=5\n", "3+2=5\n", "4+4=8\n"]) == pytest.approx(
        math.log(4) / 6
    )
    # Depth one: pairs until the line stops; n of them with probability s (1 - s)^(n - 1), n = 4 on average
    stop = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert make.brackets_entropy(make.open_chances(1)) == pytest.approx(4 * (math.log(4) + stop) / 9)
    chain = make.np.array([[0.9, 0.1], [0.3, 0.7]])
    assert make.stationary(chain) == pytest.approx([0.75, 0.25])


def test_the_fables_are_plain_and_none_is_told_twice():
    text = read("fables.txt")
    assert len(text) >= 120_000
    assert len(read("fables_zh.txt").encode()) >= 20_000
    assert re.fullmatch(r"[A-Za-z \n!\"'(),.:;?-]+", text) and len(set(text)) <= 65
    assert max(map(len, text.split("\n"))) <= 78
    for name in ("fables.txt", "fables_zh.txt"):
        paragraphs = read(name).strip().split("\n\n")
        assert [p for p, count in Counter(paragraphs).items() if count > 1] == []


def test_numbers_in_two_languages_are_as_they_are_spelt():
    spelt = {
        0: ("zero", "zéro"),
        17: ("seventeen", "dix-sept"),
        71: ("seventy-one", "soixante et onze"),
        80: ("eighty", "quatre-vingts"),
        81: ("eighty-one", "quatre-vingt-un"),
        91: ("ninety-one", "quatre-vingt-onze"),
        200: ("two hundred", "deux cents"),
        217: ("two hundred and seventeen", "deux cent dix-sept"),
        1021: ("one thousand and twenty-one", "mille vingt et un"),
        2180: ("two thousand one hundred and eighty", "deux mille cent quatre-vingts"),
        9999: ("nine thousand nine hundred and ninety-nine", "neuf mille neuf cent quatre-vingt-dix-neuf"),
    }
    assert [make.number_line(n) for n in spelt] == [f"{e}\t{f}\n" for e, f in spelt.values()]
    for language in zip(*(make.number_line(n).split("\t") for n in range(10000)), strict=True):
        assert len(set(language)) == 10000


def test_numbers_are_split_and_their_entropy_is_documented(tmp_path):
    options, entropy = documented("numbers")
    held = tmp_path / "held.txt"
    options[options.index("--hold-out") + 1] = str(held)
    done = subprocess.run([sys.executable, CORPORA / "make.py", *options], capture_output=True, check=True)
    assert done.stderr.decode().startswith(f"{entropy:.6f} nats")
    text, rest = done.stdout.decode().splitlines(), held.read_text(encoding="utf-8").splitlines()
    assert not set(text) & set(rest) and len(set(rest)) == len(rest) > 90
    assert counted(in_lines("\n".join(text))) == pytest.approx(entropy, abs=TOLERANCE)


@pytest.mark.parametrize("largest", ["-1", "10000"])
def test_numbers_without_words_are_refused(largest):
    command = [sys.executable, CORPORA / "make.py", "numbers", "--largest", largest]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"error: --largest is {largest}; it must be from 0 to 9999\n")


def test_the_manual_is_printed_a_paragraph_a_line():
    done = subprocess.run([sys.executable, CORPORA / "manual.py"], capture_output=True, check=True)
    lines = done.stdout.decode("ascii").splitlines()
    assert len(done.stdout) > 100_000 and len(set(lines)) == len(lines)
    assert all(re.fullmatch(r"[A-Z].*\.", line) for line in lines)


def test_names_are_plain_and_each_is_there_once():
    names = read("names.txt").splitlines()
    assert len(set(names)) == len(names) >= 1000
    assert all(re.fullmatch(r"[A-Z][a-z]+", name) for name in names)
    assert f"{len(names):,} given names" in read("README.md")
