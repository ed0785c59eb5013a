"""charrnn sample: escapes in options, a prime that ends in a line end, JSON for every reader."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import support
from program import SMALL, TEXT, run, shell, terminal

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.cli.escapes import unescaped
from charrnn.cli.output import json_line
from charrnn.text.vocabulary import Vocabulary

LETTERS = "\n\r\t\0ab\\né\u2022"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("options")
    for name, vocabulary in (("m", Vocabulary.of(LETTERS)), ("bytes", Vocabulary.of_bytes())):
        save(made / f"{name}.npz", Checkpoint(support.network("gru", len(vocabulary), 8), vocabulary, {}))
    return made


# escapes


@pytest.mark.parametrize(
    "text, expected",
    [
        (r"\n", "\n"),
        (r"\n---\n", "\n---\n"),
        (r"a\tb\r\0", "a\tb\r\0"),
        (r"\\n", r"\n"),
        (r"\\\n", "\\\n"),
        (r"\x41\u00e9\u2022\U0001f600", "Aé\u2022\U0001f600"),
        (r"\d\s\.", r"\d\s\."),  # of a regular expression: no escapes
        (r"C:\dir", r"C:\dir"),
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        ("\\", "\\"),
        ("a\\", "a\\"),
        (r"\x4", r"\x4"),
        (r"\u12", r"\u12"),
        (r"\ud800", r"\ud800"),  # no character
        (r"\U00110000", r"\U00110000"),
        ("\n", "\n"),
        ("$'", "$'"),
        ("", ""),
    ],
)
def test_escapes_are_read_and_what_is_none_stays(text, expected):
    assert unescaped(text) == expected
    assert unescaped(text, "byte") == expected


def test_an_escape_of_a_byte_is_the_byte_in_a_model_of_bytes():
    assert unescaped(r"\xe9") == "é"
    assert unescaped(r"\xe9", "byte").encode("utf-8", "surrogateescape") == b"\xe9"
    assert unescaped(r"\xc3\xa9", "byte") == "é"


@pytest.mark.parametrize(
    "escaped, exact", [(r"\n", "\n"), (r"\n---\n", "\n---\n"), (r"\u2022\t", "\u2022\t")]
)
def test_a_separator_in_single_quotes_is_the_separator(escaped, exact, folder):
    line = "$CHARRNN sample m.npz --seed 1 --num 3 --length 30 -q --no-echo --separator "
    texts = [
        shell(line + f"'{escaped}'", cwd=folder).out.decode(),
        run(*line.split()[1:], exact, cwd=folder).out.decode(),
    ]
    assert texts[0] == texts[1]
    assert exact in texts[0]


@pytest.mark.parametrize("escaped, exact", [(r"\n", "\n"), (r"a\n", "a\n"), (r"\t", "\t"), (r"\\", "\\")])
@pytest.mark.parametrize("name", ["m.npz", "bytes.npz"])
def test_a_stop_in_single_quotes_is_the_stop(escaped, exact, name, folder):
    line = f"$CHARRNN sample {name} --seed 1 --length 3000 -q --no-echo --stop"
    quoted = shell(f"{line} '{escaped}'", cwd=folder).out
    assert quoted == run(*line.split()[1:], exact, cwd=folder).out
    assert quoted.endswith(b"\n") and exact.encode() not in quoted[:-1]
    assert len(quoted) < 3000


# the prime


def test_the_line_end_of_a_prime_is_trimmed_on_wish(folder):
    options = ["sample", "m.npz", "--seed", "1", "--length", "20", "-q"]
    for ending in ("\n", "\r\n", "\r"):
        (folder / "prime").write_bytes(b"ab" + ending.encode())
        trimmed = run(*options, "--prime-file", "prime", "--trim-prime", cwd=folder).out
        assert trimmed == run(*options, "--prime", "ab", cwd=folder).out
        kept = run(*options, "--prime-file", "prime", cwd=folder).out
        assert kept.startswith(b"ab" + ending.encode()) and kept != trimmed
    echoed = shell(f"echo ab | $CHARRNN {' '.join(options)} --prime-file - --trim-prime", cwd=folder).out
    assert echoed == trimmed
    two = run(*options, "--prime-file", "-", "--trim-prime", "--echo", cwd=folder, stdin=b"ab\n\n").out
    assert two.startswith(b"ab\n"), "one line end, the one that echo writes"
    raw = ["bytes.npz", "--prime-file", "-", "--trim-prime", "--length", "1", "-q"]
    assert run("sample", *raw, cwd=folder, stdin=b"\xff\r\n").out[:1] == b"\xff"


@pytest.mark.parametrize(
    "prime, more, noted",
    [
        ("ab\n", [], True),
        ("ab\r\n", [], True),
        ("ab", [], False),
        ("ab\n", ["--trim-prime"], False),
        ("ab\n", ["-q"], False),
    ],
)
def test_a_prime_that_ends_in_a_line_end_is_noted_on_a_terminal(prime, more, noted, folder):
    (folder / "prime").write_bytes(prime.encode())
    options = ["sample", "m.npz", "--seed", 1, "--length", 5, "--prime-file", "prime", *more]
    with terminal(*options, cwd=folder, columns=200) as tty:
        assert tty.end() == 0
    assert ("the prime ends with a line end" in tty.shown) == noted
    assert "ends with a line end" not in run(*options, cwd=folder).err, "a pipe wants what it gets"


def test_a_prime_in_single_quotes_is_exact_and_a_hint_says_how_else(folder):
    line = "$CHARRNN sample m.npz --seed 1 --length 9 --prime"
    exact = shell(f"{line} 'ab\\n'", cwd=folder)
    assert exact.out.startswith(b"ab\\n")
    assert "a backslash and an n" in exact.err
    quotes = re.search(r"\$'\.\.\.\\n'", exact.err)[0].replace("...", "ab")
    mended = shell(f"{line} {quotes}", cwd=folder)
    assert mended.out.startswith(b"ab\n")
    assert "backslash" not in mended.err


# JSON


def strict(text: str | bytes) -> object:
    """As a strict reader takes it: no lone surrogate, no NaN; and jq, where there is one."""
    value = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails for a lone surrogate
    if jq := shutil.which("jq"):
        told = subprocess.run([jq, "-c", "."], input=text, capture_output=True, text=isinstance(text, str))
        assert told.returncode == 0
        assert json.loads(told.stdout) == value
    return value


@pytest.mark.parametrize(
    "text, shown, exact",
    [
        ("plain é\U0001f600", "plain é\U0001f600", None),
        ("\udcff", "\ufffd", b"\xff"),
        ("a\udce9b\udc80", "a\ufffdb\ufffd", b"a\xe9b\x80"),
        ("\ud800", "\ufffd", b"\xed\xa0\x80"),
        ("\ud83d\ude00", "\ufffd\ufffd", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("\ufffd", "\ufffd", None),
    ],
    ids=ascii,
)
def test_what_is_no_unicode_is_valid_json_with_the_bytes_beside_it(text, shown, exact):
    for line, at in (({"text": text}, lambda v: v), ({"a": [{"text": text}]}, lambda v: v["a"][0])):
        found = at(strict(json_line(line)))
        assert found["text"] == shown
        assert ("text_bytes" in found) == (exact is not None)
        assert exact is None or base64.b64decode(found["text_bytes"]) == exact
    assert strict(json_line([text, float("nan")])) == [shown, None]


def test_samples_of_bytes_are_valid_and_exact(folder):
    options = ["sample", "bytes.npz", "--seed", 3, "--num", 3, "--length", 300, "-q", "--prime-file", "-"]
    lines = run(*options, "--format", "jsonl", cwd=folder, stdin=b"\xff\xfe").out.splitlines()
    for number, line in enumerate(map(strict, lines)):
        assert line["prime"] == "\ufffd\ufffd"
        assert base64.b64decode(line["prime_bytes"]) == b"\xff\xfe"
        exact = base64.b64decode(line["text_bytes"])
        assert len(exact) == len(line["logprobs"]) == 300
        if not number:
            alone = run(*options, "--num", 1, "--no-echo", cwd=folder, stdin=b"\xff\xfe").out
            assert exact == alone
    assert len(lines) == 3


def test_what_info_says_of_bytes_is_valid(folder):
    facts = strict(run("info", "bytes.npz", "--json", cwd=folder).out)
    assert facts["vocabulary"] == bytes(range(128)).decode() + 128 * "\ufffd"
    assert base64.b64decode(facts["vocabulary_bytes"]) == bytes(range(256))


@pytest.mark.skipif(os.name != "posix", reason="only there is a name any bytes")
def test_names_that_are_no_utf_8_are_valid_in_eval_and_the_log(tmp_path):
    odd = os.fsdecode(b"caf\xe9")
    for name in (f"{odd}.txt", f"{odd}2.txt"):
        (tmp_path / name).write_bytes(TEXT.encode())
    steps = [*SMALL, "--max-steps", "3", "--level", "byte", "--sample-every", "1", "--out", f"{odd}.npz"]
    done = run("train", f"{odd}.txt", *steps, "--log", "log.jsonl", "-q", cwd=tmp_path)
    assert done.code == 0
    events = [strict(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    paths = {os.fsdecode(base64.b64decode(e["path_bytes"])) for e in events if "path" in e}
    assert paths == {f"{odd}.npz", f"{odd}.last.npz"}
    assert {"start", "step", "sample", "checkpoint", "end"} <= {event["event"] for event in events}
    texts = [f"{odd}.txt", f"{odd}2.txt"]
    each = strict(run("eval", f"{odd}.npz", *texts, "--json", cwd=tmp_path).out)["texts"]
    assert [os.fsdecode(base64.b64decode(one["text_bytes"])) for one in each] == texts
    facts = strict(run("info", f"{odd}.npz", "--json", cwd=tmp_path).out)
    assert os.fsencode(odd) in base64.b64decode(facts["command_bytes"]).replace(b"'", b"")
