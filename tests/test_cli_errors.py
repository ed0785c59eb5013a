"""What a person can get wrong ends in one line that says what, where and what to do, and harms nothing."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from pathlib import Path

import pytest
from program import SMALL, run, shell

from charrnn import cells
from charrnn.checkpoint.reading import load
from charrnn.system.lock import hold_open

pytest_plugins = ["trained"]

ORDINARY = "An ordinary text, of two lines.\nThis is the second.\n"
NOT_UTF8 = b"fine\nfine\nthen \xff\xfe"  # the first bad byte is at offset 15, in line 3


def unreadable() -> str:
    """A file that opens or reads with an error, for root too."""
    return "locked.txt" if os.geteuid() else "/proc/self/mem"


@pytest.fixture
def folder(tmp_path, trained) -> Path:
    (tmp_path / "text.txt").write_text(ORDINARY)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "short.txt").write_text("a")
    (tmp_path / "latin.txt").write_bytes(NOT_UTF8)
    (tmp_path / "mine.npz").write_text("not an archive")
    (tmp_path / "cut.npz").write_bytes(trained.checkpoint.read_bytes()[:-100])
    (tmp_path / "locked.txt").write_text(ORDINARY)
    (tmp_path / "locked.txt").chmod(0)
    (tmp_path / "model.npz").write_bytes(trained.checkpoint.read_bytes())
    (tmp_path / "a folder").mkdir()
    (tmp_path / "odd.txt").write_text("An odd \u0416.\n")
    packed = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    for kind, compress in packed.items():
        (tmp_path / f"cut.{kind}").write_bytes(compress(ORDINARY.encode())[:-12])
    (tmp_path / "link.txt").symlink_to("short.txt")
    (tmp_path / "link.npz").symlink_to("text.txt")
    return tmp_path


# (arguments, exit code, what the line must say)
TRAIN = [
    (["missing.txt"], 1, ["no file missing.txt", "path"]),
    (["empty.txt"], 1, ["0 characters", "longer text"]),
    (["short.txt"], 1, ["1 characters", "longer text"]),
    (["a folder"], 1, ["a folder is a folder"]),
    (["latin.txt"], 1, ["latin.txt", "UTF-8", "0xff", "offset 15", "line 3", "--encoding-errors replace"]),
    ([unreadable()], 1, [unreadable(), "cannot be read"]),
    *(([f"cut.{kind}"], 1, [f"cut.{kind} cannot be read", "cut short"]) for kind in ("gz", "bz2", "xz")),
    (["model.npz"], 1, ["model.npz is a checkpoint, not text", "choose a text"]),
    (["text.txt", "latin.txt"], 1, ["latin.txt", "offset 15"]),
    ([], 2, ["CORPUS", "charrnn train --help"]),
    (["text.txt", "--hiden-size", "3"], 2, ["--hiden-size", "--hidden-size", "charrnn train --help"]),
    (["text.txt", "--hidden-size", "many"], 2, ["--hidden-size", "integer"]),
    (["text.txt", "--cell", "transformer"], 2, ["'transformer'", ", ".join(cells.names())]),
    (["text.txt", "--cell", "../evil"], 2, ["'../evil'", ", ".join(cells.names())]),
    (["text.txt", "--dtype", "float16"], 2, ["float16", "float32, bfloat16, float64"]),
    (["text.txt", "--hidden-size", "-5"], 2, ["--hidden-size is -5", "at least 1"]),
    (["text.txt", "--num-layers", "0"], 2, ["--num-layers is 0"]),
    (["text.txt", "--embed-size", "-1"], 2, ["--embed-size is -1"]),
    (["text.txt", "--dropout", "1"], 2, ["--dropout is 1"]),
    (["text.txt", "--attention", "-1"], 2, ["--attention is -1", "at least 0"]),
    (["text.txt", "--attention", "5000"], 2, ["--attention is 5000", "at most 4096"]),
    (["text.txt", "--teacher-forcing", "1.1"], 2, ["--teacher-forcing is 1.1", "from 0 to 1"]),
    (["text.txt", "--teacher-forcing", "nan"], 2, ["--teacher-forcing is nan"]),
    (["text.txt", "--batch-size", "-1"], 2, ["--batch-size is -1"]),
    (["text.txt", "--seq-len", "0"], 2, ["--seq-len is 0"]),
    (["text.txt", "--lr", "nan"], 2, ["--lr is nan"]),
    (["text.txt", "--epochs", "0"], 2, ["--epochs is 0"]),
    (["text.txt", "--val-fraction", "1"], 2, ["--val-fraction is 1"]),
    (["text.txt", "--seed", "-1"], 2, ["--seed is -1"]),
    (["text.txt", "--threads", "-1"], 2, ["--threads is -1"]),
    (["text.txt", "--out", "mine.npz"], 2, ["mine.npz exists", "--force"]),
    (["text.txt", "--out", "a folder"], 2, ["a folder is a folder"]),
    (["text.txt", "--out", "."], 2, [". is a folder"]),
    (["link.npz", "--out", "link", "--force"], 2, ["link.npz is read by this run", "--out"]),
    (["text.txt", "--log", "text.txt", "--force"], 2, ["text.txt is read by this run", "--log"]),
    (["text.txt", "--val", "mine.npz", "--out", "mine.npz", "--force"], 2, ["mine.npz is read", "--out"]),
    (["text.txt", "--val", "link.txt", "--log", "short.txt", "--force"], 2, ["short.txt is read", "--log"]),
    (["text.txt", "--init-from", "model.npz", "--out", "model.npz", "--force"], 2, ["model.npz is read"]),
    (["text.txt", "--init-from", "x.last.npz", "--out", "x.npz", "--force"], 2, ["x.last.npz is read"]),
    (["text.txt", "--out", "x.npz", "--log", "./a folder/../x.last.npz"], 2, ["would be both"]),
    (["-", "--val", "-"], 2, ["stdin (-) is named twice"]),
    (["-", "text.txt", "-"], 2, ["stdin (-) is named twice"]),
    (["text.txt", "--resume"], 1, ["nothing to resume", "checkpoints/text-lstm.last.npz", "--out"]),
    (["text.txt", "--val", "odd.txt"], 1, ["odd.txt", "U+0416", "--unknown skip"]),
    (["text.txt", "--val", "missing.txt"], 1, ["no file missing.txt", "check the path"]),
    (["text.txt", "--out", "x", "--log", "x.npz"], 2, ["x.npz would be both"]),
    (["text.txt", "--out", "x.npz", "--log", "./x.last.npz"], 2, ["x.last.npz would be both"]),
    (["text.txt", "--out", "text.txt/x.npz"], 1, ["text.txt cannot be written"]),
    (["text.txt", "--out", "text.txt/x.npz", "--log", "x.jsonl"], 1, ["text.txt cannot be written"]),
    (["text.txt", "--out", "x.npz", "--log", "text.txt/x.jsonl"], 1, ["text.txt cannot be written"]),
]
CHECKPOINT = [
    (["missing.npz"], ["no file missing.npz"]),
    (["a folder"], ["a folder is a folder"]),
    (["mine.npz"], ["mine.npz is not a charrnn checkpoint", "charrnn train wrote"]),
    (["cut.npz"], ["cut.npz is not a charrnn checkpoint"]),
]
OTHER = [
    (["sample", "model.npz", "--prime", "It ? \u0416"], 1, ["prime", "U+0416", "character 5"]),
    (["sample", "model.npz", "--temp", "-1"], 2, ["--temp is -1"]),
    (["sample", "model.npz", "--length", "-1"], 2, ["--length is -1"]),
    (["eval", "model.npz", "latin.txt"], 1, ["latin.txt", "offset 15"]),
    (["eval", "text.txt", "model.npz"], 1, ["text.txt is not a charrnn checkpoint", "not a .npz file"]),
    (["eval", "model.npz", "model.npz"], 1, ["model.npz is a checkpoint, not text"]),
    (["eval", "model.npz", "-", "-"], 2, ["stdin (-) is named twice"]),
    (["eval", "model.npz", "text.txt", "missing.txt"], 1, ["no file missing.txt", "path"]),
    (["eval", "model.npz", "text.txt", "a folder"], 1, ["a folder is a folder"]),
    (["eval", "model.npz", "text.txt", "cut.gz"], 1, ["cut.gz cannot be read"]),
    (["eval", "model.npz", "empty.txt"], 1, ["empty.txt has 0 characters", "at least 2"]),
    (["eval", "model.npz", "-"], 1, ["stdin has 0 characters"]),
    (["eval", "model.npz", "text.txt"], 1, ["text.txt", "never saw", "U+0041", "character 0 (line 1)"]),
    (["eval", "model.npz"], 2, ["TEXT", "charrnn eval --help"]),
    (["explain", "model.npz", "text.txt"], 1, ["text.txt", "never saw", "--unknown skip"]),
    (["explain", "model.npz", "empty.txt"], 1, ["empty.txt has 0 characters", "at least 2"]),
    (["explain", "model.npz"], 2, ["TEXT", "charrnn explain --help"]),
    (["explain", "model.npz", "-", "--top", "0"], 2, ["--top is 0"]),
    (["explain", "model.npz", "-", "--unknown", "drop"], 2, ["--unknown is 'drop'", "error, skip"]),
    (["explain", "model.npz", "text.txt", "-o", "empty.txt"], 2, ["empty.txt exists", "--force"]),
    (["explain", "model.npz", "text.txt", "-o", "text.txt", "--force"], 2, ["text.txt is read", "--out"]),
    (["explain", "model.npz", "text.txt", "-o", "."], 2, [". is a folder", "--out"]),
    (["explain", "model.npz", "text.txt", "-o", "/dev/full"], 2, ["not a regular file", "--out"]),
    (["gradcheck", "--cell", "foo"], 2, ["'foo'", ", ".join(cells.names())]),
    (["gradcheck", "--tol", "0"], 2, ["--tol is 0"]),
    (["gradcheck", "--num-layers", "0"], 2, ["--num-layers is 0"]),
    (["gradcheck", "--seq-len", "-2"], 2, ["--seq-len is -2"]),
    (["trian", "text.txt"], 2, ["'trian'"]),
    (["--nonsense"], 2, ["--nonsense", "charrnn --help"]),
]
CASES = [
    *((["train", *arguments], code, words) for arguments, code, words in TRAIN),
    *((["sample", *arguments], 1, words) for arguments, words in CHECKPOINT),
    *((["info", *arguments], 1, words) for arguments, words in CHECKPOINT[:1]),
    *((["eval", *arguments, "text.txt"], 1, words) for arguments, words in CHECKPOINT[:1]),
    *OTHER,
]


def contents(folder: Path) -> dict[str, bytes | None]:
    (folder / "locked.txt").chmod(0o600)
    held = {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}
    (folder / "locked.txt").chmod(0)
    return held


@pytest.mark.parametrize("arguments, code, words", CASES, ids=[" ".join(case[0]) for case in CASES])
def test_one_line_says_what_is_wrong(arguments, code, words, folder):
    before = contents(folder)
    done = run(*arguments, cwd=folder)
    assert done.code == code, done.err
    assert done.out == b""
    assert done.err.startswith("charrnn: ") and done.err.endswith("\n")
    assert len(done.err.splitlines()) <= 2, done.err
    assert "Traceback" not in done.err and "unexpected" not in done.err
    for word in words:
        assert word in done.err
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["log.jsonl", "same.jsonl"])
def test_one_log_has_one_writer(folder, name):
    options = ["train", "text.txt", *SMALL, "--max-steps", "3", "--log", name]
    (folder / "log.jsonl").write_text("theirs\n")
    (folder / "same.jsonl").symlink_to("log.jsonl")  # whatever it is called
    with (folder / "log.jsonl").open("a") as file:
        assert not hold_open(folder / "log.jsonl", file.fileno())
        refused = run(*options, "--out", "m.npz", "--force", cwd=folder)
    assert refused.code == 1
    assert f"another run is writing to {name}" in refused.err and "--log" in refused.err
    assert (folder / "log.jsonl").read_text() == "theirs\n"


def test_a_log_may_be_called_as_the_output_is(folder):
    done = run("train", "text.txt", *SMALL, "--max-steps", "3", "--out", "m.npz", "--log", "m", cwd=folder)
    assert done.code == 0 and (folder / "m").read_text().startswith('{"event": "start"')
    assert not [*folder.glob(".*.lock")]


def test_a_name_cannot_steer_the_terminal(folder):
    done = run("info", "no\n\x1b[2Jsuch", cwd=folder)
    assert done.err.splitlines() == ["charrnn: there is no file no\\n\\x1b[2Jsuch; check the path"]


def test_debug_shows_the_traceback(folder):
    done = run("--debug", "info", "missing.npz", cwd=folder)
    assert done.code == 1
    assert "Traceback" in done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
@pytest.mark.parametrize(
    "line",
    [
        "$CHARRNN sample model.npz -q",
        "$CHARRNN info model.npz",
        "$CHARRNN --help",
    ],
)
def test_a_full_disk_is_one_line(line, folder):
    done = shell(f"{line} > /dev/full", folder)
    assert done.code == 1
    assert done.err == "charrnn: stdout: No space left on device; make room on the disk\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_log_that_cannot_be_written_is_one_line(folder):
    done = run("train", "text.txt", *SMALL, "--log", "/dev/full", "-q", "--out", "m.npz", cwd=folder)
    assert done.code == 1
    assert done.err == "charrnn: /dev/full cannot be written: No space left on device; choose another --log\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
@pytest.mark.parametrize("lost", ["2>&-", "2>/dev/full"])
def test_losing_stderr_does_not_stop_training(lost, folder):
    options = " ".join([*SMALL, "--max-steps", "3", "--out", "m.npz"])
    done = shell(f"$CHARRNN train text.txt {options} {lost}", folder)
    assert (done.code, done.err) == (0, "")
    assert load(folder / "m.npz")


def test_a_closed_stdout_is_an_error_where_results_go_there(folder):
    done = shell("$CHARRNN sample model.npz -q >&-", folder)
    assert done.code == 1
    assert done.err == "charrnn: stdout: Bad file descriptor\n"
