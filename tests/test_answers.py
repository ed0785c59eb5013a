"""Many primes at once, no sample twice, none of a list; what was copied."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import support
from program import command, environment, run

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.config import SampleConfig
from charrnn.sampling.answers import FRUITLESS, ROUND, Known, Novelty, answers, lines_of
from charrnn.sampling.sampler import sample
from charrnn.text.vocabulary import Vocabulary

LETTERS = "abcdefgh \n"
PRIMES = ["", "a", "bad", "a", "cab bed " * 40, "h" * 127, "g" * 128, "f" * 129, *LETTERS[:-1], "deaf"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("answers")
    save(made / "m.npz", model())
    (made / "primes.txt").write_text("\n".join(PRIMES) + "\n")
    return made


def model(**config) -> Checkpoint:
    return Checkpoint(support.network("lstm", len(LETTERS), 8, **config), Vocabulary.of(LETTERS), {})


def alone(prime: str, **config) -> str:
    return "".join(sample(model(), SampleConfig(prime=prime, **config)))


@pytest.mark.parametrize("attention", [0, 5])
@pytest.mark.parametrize("threads", [1, 2])
def test_each_prime_is_answered_as_it_is_alone(attention, threads):
    of = model(attention=attention)
    config = SampleConfig(length=30, num=2, seed=5, threads=threads)
    found = list(answers(of, config, PRIMES, Known()))
    assert [(each.place, each.sample, each.prime) for each in found] == [
        (place, i, prime) for place, prime in enumerate(PRIMES) for i in range(2)
    ]
    for prime, one, other in zip(PRIMES, found[::2], found[1::2], strict=True):
        by_itself = SampleConfig(length=30, num=2, seed=5, prime=prime)
        assert [one.text, other.text] == [a.text for a in answers(of, by_itself, [prime], Known())]
        assert one.text == "".join(sample(of, SampleConfig(length=30, seed=5, prime=prime)))


def test_lines_in_lines_out(folder):
    options = ["--seed", 3, "--length", 25, "-q"]
    done = run("sample", "m.npz", "--primes", "primes.txt", *options, cwd=folder)
    expected = [prime + alone(prime, seed=3, length=25, stop=("\n",)) for prime in PRIMES]
    assert done.code == 0 and done.out.decode() == "".join(f"{line}\n" for line in expected)
    piped = run("sample", "m.npz", "--primes", "-", "--no-echo", *options, cwd=folder, stdin=b"a\r\nbad")
    assert piped.out.decode().splitlines() == [
        alone(prime, seed=3, length=25, stop=("\n",)) for prime in ("a", "bad")
    ]
    told = run(
        "sample",
        "m.npz",
        "--primes",
        "-",
        "--format",
        "jsonl",
        "--num",
        2,
        *options,
        cwd=folder,
        stdin=b"a\nbad\n",
    )
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [(line["line"], line["prime"], line["sample"], line["seed"]) for line in lines] == [
        (1, "a", 0, 3),
        (1, "a", 1, 3),
        (2, "bad", 0, 3),
        (2, "bad", 1, 3),
    ]
    assert lines[0]["text"] == alone("a", seed=3, length=25)  # JSON holds line ends


def test_a_prime_is_answered_before_the_next_comes(folder):
    with subprocess.Popen(
        command("sample", "m.npz", "--primes", "-", "--length", 20, "--seed", 1, "-q"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=folder,
    ) as process:
        assert process.stdin and process.stdout
        for prime in ("bad", "cab"):
            process.stdin.write(f"{prime}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline().decode().startswith(prime)
        process.stdin.close()
        assert process.stdout.read() == b""


def test_a_prime_given_twice_is_two_samples(folder):
    options = ["--seed", 3, "--length", 9, "-q"]
    done = run("sample", "m.npz", "--prime", "a", "--prime", "bad", "--separator", "|", *options, cwd=folder)
    assert done.out.decode() == "".join(f"{p}{alone(p, seed=3, length=9)}|" for p in ("a", "bad"))


@pytest.mark.parametrize(
    "options, words",
    [
        (["--prime", "a", "--primes", "primes.txt"], "--prime and --primes are both given"),
        (["--primes", "primes.txt", "--length", "0"], "--length is 0"),
        (["--unique", "--length", "0"], "--length is 0"),
        (["--primes", "-", "--not-in", "-"], "stdin (-) is named twice"),
        (["--primes", "none.txt"], "none.txt"),
    ],
)
def test_what_cannot_be_is_one_line(folder, options, words):
    done = run("sample", "m.npz", *options, cwd=folder, stdin=b"a\n")
    assert done.code in (1, 2) and words in done.err and done.err.count("\n") <= 2 and not done.out


@pytest.mark.parametrize(("options", "lines"), [(["--num", 5], 5), (["--stop", r"\n"], 1), ([], 0)])
def test_a_sample_among_several_or_before_a_stop_is_ended(folder, options, lines):
    done = run("sample", "m.npz", "--length", 6, "--seed", 1, "--stop", "a", "--num", 1, "-q", cwd=folder)
    assert done.out.endswith(b"\n") and done.out.count(b"\n") >= 1
    done = run("sample", "m.npz", "--length", 6, "--seed", 1, "--separator", "|", *options, "-q", cwd=folder)
    assert done.out.count(b"|") == lines and done.out.endswith(b"|") == bool(lines)


def test_none_comes_twice_and_the_first_are_those_that_came_anyway():
    config = SampleConfig(length=2, num=40, seed=1, temp=0.5)
    plain = [answer.text for answer in answers(model(), config, ["a"], Known())]
    unique = [answer.text for answer in answers(model(), config, ["a"], Known(unique=True))]
    assert len({*plain}) < len(plain) and len({*unique}) == len(unique) == 40
    assert unique[: len({*plain})] == list(dict.fromkeys(plain))


def test_none_is_one_of_a_list_prime_and_all():
    config = SampleConfig(length=1, num=6, seed=1)
    listed = ["aa", "ab", "a ", "b"]
    found = {"a" + answer.text for answer in answers(model(), config, ["a"], Known(listed, unique=True))}
    assert len(found) == 6 and found.isdisjoint(listed)


def test_a_model_that_gives_no_more_ends_clearly(folder):
    config = SampleConfig(length=1, num=20, seed=1)
    found = [a.text for a in answers(model(), config, ["a"], Known(unique=True))]
    assert {*found} <= {*LETTERS} and len(found) == len({*found}) > 5
    done = run(
        "sample", "m.npz", "--prime", "a", "--length", 1, "--num", 20, "--unique", "--seed", 1, cwd=folder
    )
    assert done.code == 1 and f"{20 - len(found)} of the requested samples are missing" in done.err
    assert done.out.decode() == "".join(f"a{text}\n" for text in found)
    assert FRUITLESS * ROUND >= 100  # a text of chance 5 % would have come


def test_a_prime_has_one_sample_at_temperature_0(folder):
    options = ["--length", 5, "--temp", 0, "--unique", "-q"]
    done = run("sample", "m.npz", "--prime", "a", "--prime", "a", *options, cwd=folder)
    assert done.code == 1 and done.out.decode() == f"a{alone('a', length=5, temp=0)}\n"
    assert done.err == (
        "charrnn: 1 of the requested samples are missing: with --temp 0 a prime has only one sample, and it "
        "was printed before or is excluded; raise --temp, or request each prime once\n"
    )


def test_choices_do_not_depend_on_how_primes_come():
    config = SampleConfig(length=1, num=4, seed=1)
    together = [a.text for a in answers(model(), config, ["a", "b", "a"], Known(["ab"], unique=True))]
    known, apart = Known(["ab"], unique=True), []
    for prime in ("a", "b", "a"):
        apart += [a.text for a in answers(model(), config, [prime], known)]
    assert together == apart and len(together) > 8


def test_a_line_that_the_model_cannot_read_is_named_after_those_before(folder):
    done = run(
        "sample", "m.npz", "--primes", "-", "--length", 5, "--seed", 1, "-q", cwd=folder, stdin=b"a\nZ\nb\n"
    )
    assert done.code == 1 and done.out.startswith(b"a") and done.out.count(b"\n") == 1
    assert "the prime of line 2 has" in done.err and "'Z'" in done.err


def test_the_line_before_a_prime_is_no_part_of_what_is_compared():
    config = SampleConfig(length=1, num=5, seed=1)
    found = {a.text for a in answers(model(), config, ["bad\na"], Known(["ab", "aa"], unique=True))}
    assert len(found) == 5 and found.isdisjoint("ab")


def test_the_longest_copy():
    novelty = Novelty("the cat sat on the mat")
    assert novelty.longest_copy("a cat sat in") == " cat sat "
    assert novelty.longest_copy("xyz") == "" and novelty.longest_copy("") == ""
    assert novelty.longest_copy("zzthe matzz") == "the mat"


def test_what_is_copied_is_in_the_json(folder):
    (folder / "known.txt").write_text("bad cab\n")
    options = ["--prime", "bad ca", "--length", 1, "--seed", 1, "--format", "jsonl", "--not-in", "known.txt"]
    done = run("sample", "m.npz", *options, "-q", cwd=folder)
    assert json.loads(done.out)["longest_copy"].startswith("bad ca")


def test_lines_are_whole_however_they_come():
    assert [*lines_of(["a", "b\nc", "\n\nd\r", "\ne"])] == ["ab", "c", "", "d", "e"]
    assert [*lines_of(["a\n"])] == ["a"] and [*lines_of([""])] == []
