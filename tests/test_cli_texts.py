"""What commands say of the texts they read, on stderr; and how a run of an older version goes on."""

from __future__ import annotations

import gzip
import json
import subprocess

import pytest
from program import SMALL, TEXT, command, environment, run, terminal
from support import rewrite_meta

pytest_plugins = ["trained"]

BAD = TEXT.encode() + b"The \xff\xfe fox.\n"


@pytest.mark.parametrize("kind, where", [("train", 0), ("eval", 1), ("explain", 1)])
def test_bad_bytes_have_a_lenient_way_that_is_noted(trained, tmp_path, kind, where):
    (tmp_path / "bad.txt").write_bytes(BAD)
    arguments = [*([trained.checkpoint] * where), "bad.txt", *(["--dry-run"] if kind == "train" else [])]
    strict = run(kind, *arguments, cwd=tmp_path)
    assert strict.code == 1 and "--encoding-errors replace" in strict.err
    lenient = run(kind, *arguments, "--encoding-errors", "skip", cwd=tmp_path)
    assert lenient.code == 0 and "bad.txt: 2 bytes were not valid UTF-8 and skipped\n" in lenient.err
    quiet = run(kind, *arguments, "--encoding-errors", "skip", "-q", cwd=tmp_path)
    assert (quiet.code, quiet.err, quiet.out) == (0, "", lenient.out)
    wrong = run(kind, *arguments, "--encoding-errors", "ignore", cwd=tmp_path)
    assert wrong.code == 2 and "choose one of: strict, replace, skip" in wrong.err


def test_a_prime_file_is_looked_at_as_a_corpus_is(trained, tmp_path):
    (tmp_path / "prime.txt").write_bytes(b"The \xff fox said\r\nIt was")
    arguments = ("sample", trained.checkpoint, "--prime-file", "prime.txt", "--length", 5)
    assert run(*arguments, cwd=tmp_path).code == 1
    done = run(*arguments, "--encoding-errors", "skip", cwd=tmp_path)
    assert done.code == 0 and done.out.startswith(b"The  fox said\r\nIt was")
    assert "1 byte was not valid UTF-8" in done.err and "tr -d '\\r' < prime.txt | charrnn ... -" in done.err


def test_a_packed_text_on_stdin_is_unpacked(trained, tmp_path):
    plain = run("eval", trained.checkpoint, "-", "--json", cwd=tmp_path, stdin=TEXT.encode())
    packed = run("eval", trained.checkpoint, "-", "--json", cwd=tmp_path, stdin=gzip.compress(TEXT.encode()))
    assert plain.code == 0 and packed.out == plain.out
    refused = run("eval", trained.checkpoint, "-", cwd=tmp_path, stdin=b"%PDF-1.4\n")
    assert refused.code == 1 and "stdin is a PDF file, not text" in refused.err


@pytest.mark.parametrize("parts", [(b"Was ", b"it?\n"), (b"\x1f", gzip.compress(b"Was it?\n")[1:])])
def test_the_first_part_of_a_slow_pipe_tells_what_it_is(trained, parts):
    with subprocess.Popen(
        command("eval", trained.checkpoint, "-", "--per-line", "-q"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin and process.stdout
        for part in parts:
            process.stdin.write(part)
            process.stdin.flush()
        assert process.stdout.readline().endswith(b"\tWas it?\n")
        process.stdin.close()


def test_a_mark_names_the_option_that_leaves_it_out(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    done = run("train", "a.txt", "--dry-run", cwd=tmp_path)
    assert "which is kept as a character; --encoding utf-8-sig removes it\n" in done.err
    assert "mark" not in run("train", "a.txt", "--dry-run", "--encoding", "utf-8-sig", cwd=tmp_path).err


def test_a_run_of_a_version_that_joined_nothing_goes_on_as_it_was(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"{name} was here, and it was. " * 40)
    options = ["train", "a.txt", "b.txt", *SMALL, "--out", "m.npz", "--log", "-"]
    begun = run(*options, "--max-steps", 4, "--join", "nothing", cwd=tmp_path)
    assert begun.code == 0, begun.err

    def forget(meta: dict[str, dict[str, object]]) -> None:
        del meta["training"]["join"], meta["training"]["encoding_errors"]

    rewrite_meta(tmp_path / "m.last.npz", forget)
    resumed = run(*options, "--max-steps", 6, "--resume", cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    assert json.loads(resumed.out.splitlines()[-1])["reason"] == "steps"
    other = run(*options, "--max-steps", 6, "--resume", "--join", "newline", cwd=tmp_path)
    assert other.code == 2 and "--join is newline, but the saved training has nothing" in other.err


def test_files_are_joined_by_a_line_end_and_that_is_noted(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"{name} was here, and it was. " * 40)
    done = run("train", "a.txt", "b.txt", "--dry-run", cwd=tmp_path)
    assert "a.txt has no final line end" in done.err and "use --join nothing to add none" in done.err


def test_line_ends_of_two_characters_are_line_ends_on_a_terminal(trained, tmp_path):
    """One alone is shown as an escape; the prime ends in what may be half of a line end."""
    model, prime = trained.checkpoint, "It was.\r\nWas\rit?\r"
    arguments = ("sample", model, "--prime", prime, "--length", 1, "--temp", 0, "-q")
    drawn = run(*arguments, "--no-echo", cwd=tmp_path).out.decode()
    with terminal(*arguments, cwd=tmp_path) as shown:
        assert shown.end() == 0
    assert shown.shown.startswith("It was.\r\nWas\\rit?" + ("\r\n" if drawn == "\n" else "\\r"))
