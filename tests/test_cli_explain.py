"""charrnn explain: fields in a pipe, colours on a terminal, a page in a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import support
from program import TEXT, run, shell, terminal
from rich.cells import cell_len
from support import STEERING

import charrnn
from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.system.terminal import visible
from charrnn.text.vocabulary import Vocabulary

pytest_plugins = ["trained"]

SGR = re.compile(r"\x1b\[[0-9;]*m")
SAMPLE = TEXT[:400]


@pytest.fixture
def folder(tmp_path, trained) -> Path:
    (tmp_path / "text.txt").write_bytes(SAMPLE.encode())
    (tmp_path / "model.npz").write_bytes(trained.checkpoint.read_bytes())
    return tmp_path


def test_a_pipe_gets_the_most_surprising_characters_as_fields(folder):
    done = run("explain", "model.npz", "text.txt", "--top", 3, cwd=folder)
    assert done.code == 0 and STEERING.search(done.out.decode().replace("\t", "")) is None
    rows = [line.split("\t") for line in done.out.decode().splitlines()]
    explained = charrnn.load(folder / "model.npz").explain(SAMPLE, top=3)
    order = sorted(range(1, len(SAMPLE)), key=lambda at: -explained.bits[at])
    assert len(rows) == 10
    for row, at in zip(rows, order, strict=False):
        line, column = SAMPLE.count("\n", 0, at) + 1, at - SAMPLE.rfind("\n", 0, at)
        assert row[:3] == [str(line), str(column), f"{explained.bits[at]:.6f}"]
        assert row[4] == SAMPLE[at].encode("unicode_escape").decode() or ord(SAMPLE[at]) > 127
        assert [float(chance) for chance in row[6::2]] == pytest.approx(
            [chance for _, chance in explained.guesses[at]], abs=1e-6
        )
    told, line_ends = done.err.splitlines()
    assert told == f"{explained.summary}; {explained.bits[1:].mean():.4f} bits per character"
    assert r"\r\n line ends" in line_ends


def test_the_bits_are_those_of_eval(folder):
    scored = run("eval", "model.npz", "text.txt", "--per-char", cwd=folder).out.decode().splitlines()
    bits = sorted((line.split("\t")[1] for line in scored[1:]), key=float)[::-1]
    shown = run("explain", "model.npz", "-", "-q", cwd=folder, stdin=SAMPLE.encode())
    assert [row.split("\t")[2] for row in shown.out.decode().splitlines()] == bits[:10]
    assert shown.err == ""


def test_a_terminal_gets_the_text_in_colour_and_a_table(folder):
    with terminal("explain", "model.npz", "text.txt", "-q", cwd=folder) as tty:
        assert tty.end() == 0
    plain = SGR.sub("", tty.shown).replace("\r\n", "\n")
    assert STEERING.search(plain.replace("\t", "")) is None
    assert plain.startswith("The \\x1b[31mred\\x1b[0m fox said:")
    assert "\\r\u21b5\nWas it? It was.\u21b5\n" in plain
    assert "bits  0-1  1-2  2-4  4-6  6-8  8 and more " in plain
    assert "48;" in tty.shown and "38;" in tty.shown  # a colour of its own for the ground and the letters
    table = plain.partition("expected")[2].strip().splitlines()
    assert len(table) == 10
    bits = [float(line.split()[2]) for line in table]
    assert bits == sorted(bits, reverse=True)


def test_without_colour_a_terminal_gets_the_table_alone(folder):
    arguments = ("explain", "model.npz", "text.txt", "-q", "--top", 2)
    shown = []
    for change in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with terminal(*arguments, cwd=folder, **change) as tty:
            assert tty.end() == 0
        assert "\x1b" not in tty.shown
        shown.append([line.split() for line in tty.shown.splitlines() if line.strip()])
    assert shown[0] == shown[1]
    assert shown[0][0] == ["line", "column", "bits", "after", "came", "expected"] and len(shown[0]) == 11


def test_a_page_holds_the_data_and_is_written_whole_or_not(folder):
    done = run("explain", "model.npz", "text.txt", "-o", "new/page.html", cwd=folder)
    assert (done.code, done.out) == (0, b"")
    page = folder / "new" / "page.html"
    size = f"{page.stat().st_size / 1e6:.1f} MB"
    assert done.err.splitlines()[-1] == f"wrote new/page.html ({size}); open it in a browser"
    assert [*page.parent.iterdir()] == [page]
    html = page.read_text(encoding="utf-8")
    data = json.loads(
        re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL)[0]
    )
    assert data["name"] == "model.npz" and len(data["chars"]) == len(SAMPLE)
    again = run("explain", "model.npz", "text.txt", "-o", "new/page.html", cwd=folder)
    assert again.code == 2 and "--force" in again.err
    page.write_text("old")
    forced = run("explain", "model.npz", "text.txt", "-o", "new/page.html", "--force", "-q", cwd=folder)
    assert (forced.code, forced.err) == (0, "") and page.read_text(encoding="utf-8") == html
    piped = run("explain", "model.npz", "text.txt", "-o", "-", cwd=folder)
    assert piped.out.decode() == html and "browser" not in piped.err


def test_unknown_characters_are_left_out_and_counted(folder):
    given = ("a\u2603" + SAMPLE).encode()
    done = run("explain", "model.npz", "-", "--unknown", "skip", cwd=folder, stdin=given)
    assert done.code == 0 and "\nskipped 1 characters that the model lacks\n" in done.err
    for row in done.out.decode().splitlines():
        line, column, *_, came = row.split("\t")[:5]
        there = given.decode().split("\n")[int(line) - 1] + "\n"
        assert visible(there[int(column) - 1]) == came.replace("\\\\", "\\")


def test_a_model_of_bytes_has_a_table_that_80_columns_hold(folder):
    vocabulary = Vocabulary.of_bytes()
    source = Checkpoint(support.network("gru", 256), vocabulary, {})
    save(folder / "bytes.npz", source)
    text = "\u00fcber \u6f22\u5b57\u6f22\u5b57 \U0001f600\n" * 4
    (folder / "wide.txt").write_text(text, encoding="utf-8")
    with terminal("explain", "bytes.npz", "wide.txt", cwd=folder, columns=80, NO_COLOR="1") as tty:
        assert tty.end() == 0
    note, header, *rows = tty.shown.replace("\r\n", "\n").splitlines()
    assert " bits per byte" in note and header.split()[0] == "line"
    whole = (
        "".join(c + "\u00b7" * (len(c.encode()) - 1) for c in text)
        .replace("\n", "\\n")
        .replace(" ", "\u2423")
    )
    starts = [row for row in rows if row[:4].strip().isdigit()]
    assert len(starts) == 10 and "\u2026" not in tty.shown
    for row in starts:
        before = row[row.index(".") + 3 :].split()[0]
        assert before in whole and 0 < cell_len(before) <= 18
    assert max(map(cell_len, rows)) <= 80 and len(rows) <= 30


def test_a_text_too_long_is_refused_before_it_ends(folder):
    done = shell("yes was | $CHARRNN explain model.npz -; echo ${PIPESTATUS[1]}; true", cwd=folder)
    assert done.out == b"1\n"
    assert "stdin has more than 20,000 characters" in done.err and "head -n 300 FILE" in done.err
