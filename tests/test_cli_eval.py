"""charrnn eval: tables that add up, answers as lines come, several texts."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest
from program import command, environment, run

pytest_plugins = ["trained"]


def figures(*arguments: object, cwd: Path, stdin: bytes = b"") -> dict[str, float]:
    done = run("eval", *arguments, "--json", cwd=cwd, stdin=stdin)
    assert done.code == 0, done.err
    texts: list[dict[str, float]] = json.loads(done.out)["texts"]
    alone = {name: value for name, value in texts[0].items() if name != "text"}
    return alone if len(texts) == 1 else {"texts": texts}  # type: ignore[dict-item]


TOLD = "The red fox said: it was.\nWas it?\nIt was; the fox said.\n" * 3


def test_lines_and_characters_are_tables_that_add_up(trained, tmp_path):
    (tmp_path / "t.txt").write_text("\\" + TOLD)
    arguments = (trained.checkpoint, "t.txt", "--unknown", "skip")
    whole = figures(*arguments, cwd=tmp_path)
    lines = run("eval", *arguments, "--per-line", cwd=tmp_path).out.decode().splitlines()
    fields = [line.split("\t", 3) for line in lines]
    assert [field[3] for field in fields] == ("\\" + TOLD).splitlines()
    unknown = [line.count(";") + line.count("\\") for line in ("\\" + TOLD).splitlines()]
    assert [int(field[2]) for field in fields] == unknown
    bits = sum(float(bpc) * int(chars) for bpc, chars, *_ in fields)
    assert bits == pytest.approx(whole["bpc"] * whole["chars"], abs=1e-3)
    done = run("eval", *arguments, "--per-char", cwd=tmp_path)
    rows = [line.split("\t") for line in done.out.decode().splitlines()]
    assert "".join(row[0] for row in rows) == "\\\\" + TOLD.replace("\n", "\\n")
    assert rows[0][1] == "nan" and done.err.endswith("characters that the model lacks\n")
    known = [float(row[1]) for row in rows if row[1] != "nan"]
    assert sum(known) == pytest.approx(whole["bpc"] * whole["chars"], abs=1e-3)
    assert len(known) == whole["chars"] == len(TOLD) - 1 - whole["skipped"] + 1


def test_each_line_is_answered_as_it_comes(trained):
    """What stands in a pipe is scored and flushed before the pipe is closed."""
    with subprocess.Popen(
        command("eval", trained.checkpoint, "-", "--per-line", "-q"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin and process.stdout
        for line in (b"Was it?\n", b"It was.\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline().endswith(b"\t" + line)
        process.stdin.close()
        assert process.stdout.read() == b""


def test_several_texts_compressed_ones_too_are_scored_each_on_its_own(trained, tmp_path):
    (tmp_path / "a.txt").write_text(TOLD)
    with gzip.open(tmp_path / "b.txt.gz", "wb") as file:
        file.write(TOLD.encode("utf-16"))
    alone = figures(trained.checkpoint, "a.txt", "--unknown", "skip", cwd=tmp_path)
    both = figures(trained.checkpoint, "a.txt", "-", "--unknown", "skip", cwd=tmp_path, stdin=TOLD.encode())
    assert both["texts"] == [{"text": name} | alone for name in ("a.txt", "stdin")]  # type: ignore[comparison-overlap]
    packed = (trained.checkpoint, "b.txt.gz", "--encoding", "utf-16", "--unknown", "skip")
    assert figures(*packed, cwd=tmp_path) == alone
    shown = run("eval", trained.checkpoint, "a.txt", "a.txt", "--unknown", "skip", cwd=tmp_path).out.decode()
    assert shown.count("a.txt\nnats per character") == 2


def test_options_that_contradict_each_other_are_refused(trained, tmp_path):
    for options in (["--per-line", "--json"], ["--per-line", "--per-char"], ["--dynamic", "--stateless"]):
        done = run("eval", trained.checkpoint, "-", *options, cwd=tmp_path)
        assert (done.code, done.out) == (2, b"") and "choose one" in done.err


def test_dynamic_is_an_option(trained, tmp_path):
    arguments = (trained.checkpoint, "-", "--unknown", "skip")
    static = figures(*arguments, cwd=tmp_path, stdin=TOLD.encode())
    learned = figures(*arguments, "--dynamic", "--lr", "0.01", cwd=tmp_path, stdin=TOLD.encode() * 5)
    assert learned["loss"] < static["loss"]
