"""The command line on a terminal: colour and a live display there alone; Ctrl-C ends cleanly."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from pathlib import Path

import pytest
from program import ENDLESS, SMALL, TEXT, UNIX, run, started, terminal, wait

from charrnn.checkpoint.reading import load

pytest_plugins = ["trained"]

SGR = re.compile(r"\x1b\[([0-9;]*)m")
CURSOR_OFF, CURSOR_ON = "\x1b[?25l", "\x1b[?25h"
STEPS = [*SMALL, "--max-steps", "3", "--out", "m.npz"]


@pytest.fixture
def folder(tmp_path, trained) -> Path:
    (tmp_path / "text.txt").write_bytes(UNIX.encode())
    (tmp_path / "model.npz").write_bytes(trained.checkpoint.read_bytes())
    return tmp_path


def coloured(shown: str) -> bool:
    """Whether a colour was asked for; bold and dim are none."""
    codes = {int(code) for found in SGR.findall(shown) for code in found.split(";") if code}
    return any(30 <= code <= 49 or 90 <= code <= 107 for code in codes)


def screen(shown: str) -> list[str]:
    """What stands on a terminal in the end, as Rich writes: lines, cursor up (A), erase line (K), colours."""
    lines, row, column = [""], 0, 0
    for count, letter, character in re.findall(r"\x1b\[\??([\d;]*)([A-Za-z])|([^\x1b])", shown):
        assert letter in ("", "A", "K", "m", "h", "l"), letter
        if letter == "A":
            row -= int(count or 1)
        elif letter == "K":
            lines[row] = ""
        elif character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif character:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
    while len(lines) > row + 1 and not lines[-1]:
        lines.pop()  # below the cursor, and empty
    return lines


def kinds(log: Path) -> list[str]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line)["event"] for line in lines]


def stopped_at_a_checkpoint(folder: Path) -> None:
    """The run in `folder` ended as one that was interrupted: a model that loads, a log that says so."""
    end = json.loads((folder / "m.jsonl").read_text().splitlines()[-1])
    assert (end["event"], end["reason"]) == ("end", "interrupted")
    assert load(folder / "m.npz").vocabulary.text == "".join(sorted(set(UNIX)))


@pytest.mark.parametrize("columns", [60, 100])
def test_training_shows_a_live_display_that_leaves_a_summary(folder, columns):
    with terminal("train", "text.txt", *ENDLESS, "--out", "m.npz", cwd=folder, columns=columns) as tty:
        tty.read(until="━")
        for name in ("step", "epoch", "left", "loss", "bpc", "perplexity", "lr", "grad norm", "chars/s"):
            tty.read(until=f"{name} ")
        assert coloured(tty.shown)
        tty.process.send_signal(signal.SIGINT)
        assert tty.end() == 130
    assert tty.shown.count(CURSOR_OFF) == tty.shown.count(CURSOR_ON) == 1
    lines = screen(tty.shown)
    assert max(map(len, lines)) <= columns, [line for line in lines if len(line) > columns]
    assert lines[0].startswith("rnn, 1 x 8 units")
    after = lines[lines.index("stopping after this step; interrupt again to stop at once") + 1 :]
    assert after[0].startswith("╭─ rnn, 1 x 8 units ─")  # the display is gone without a trace
    framed = [line.split()[1] for line in after if re.match("│ \\w", line)]
    assert framed[:3] == ["ended", "speed", "training"]
    assert any(line.startswith("╭─ sample at step 0 ─") for line in after)
    assert [line[:12].strip() for line in after[-4:]] == ["checkpoint", "sample it", "continue", ""]
    stopped_at_a_checkpoint(folder)


def test_without_colour_the_display_has_none(folder):
    with terminal("train", "text.txt", *STEPS, cwd=folder, NO_COLOR="1") as tty:
        assert tty.end() == 0
    assert "\x1b[" in tty.shown
    assert not coloured(tty.shown)


def test_a_dumb_terminal_gets_plain_lines(folder):
    with terminal("train", "text.txt", *STEPS, cwd=folder, TERM="dumb") as tty:
        assert tty.end() == 0
    assert "\x1b" not in tty.shown
    assert "sample it   charrnn sample m.npz" in tty.shown


def test_a_pipe_gets_plain_lines(folder):
    wishes = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm-256color"}
    done = run("train", "text.txt", *STEPS, cwd=folder, **wishes)
    assert done.code == 0
    assert "\x1b" not in done.err
    assert all(line == line.rstrip() for line in done.err.splitlines())
    assert len(done.err.splitlines()) < 15
    assert done.err.splitlines()[1].endswith("different")  # no line is broken where there is no terminal
    assert "\x1b" not in run("info", "missing", cwd=folder, **wishes).err


def test_errors_are_coloured_on_a_terminal_alone(folder):
    with terminal("info", "missing", cwd=folder) as tty:
        assert tty.end() == 1
    assert coloured(tty.shown)
    assert screen(tty.shown) == ["charrnn: there is no file missing; check the path", ""]


def test_a_terminal_is_shown_control_characters_as_escapes(folder):
    arguments = ["sample", "model.npz", "--length", 500, "--seed", 1, "--prime", "a\x1b[31m", "-q"]
    exact = run(*arguments, cwd=folder).out.decode()
    with terminal(*arguments, cwd=folder) as tty:
        assert tty.end() == 0
    assert not {c for c in tty.shown if ord(c) < 32 or 127 <= ord(c) < 160} - set("\r\n\t")
    lines = tty.shown.replace("\r\n", "\n")  # the terminal's own line ends
    assert "\r" not in lines
    written = {"\x1b": "\\x1b", "\x07": "\\x07", "\x9b": "\\x9b", "\r": "\\r"}
    assert lines == "".join(written.get(c, c) for c in exact.replace("\r\n", "\n")) + "\n"


@pytest.mark.parametrize(
    "name, code", [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 138), ("SIGXCPU", 152)]
)
def test_a_signal_ends_training_with_a_checkpoint(folder, name, code):
    with started("train", "text.txt", *ENDLESS, "--out", "m.npz", cwd=folder) as process:
        wait(lambda: "step" in kinds(folder / "m.jsonl"))
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "interrupt again to stop at once" in err
    assert err.splitlines()[-1].startswith("continue")
    stopped_at_a_checkpoint(folder)


def test_warnings_of_a_scheduler_are_no_second_signal(folder):
    """A limit on CPU time repeats SIGXCPU each second; SIGTERM follows SIGUSR1: the step is not lost."""
    slow = ["--hidden-size", 1000, "--seq-len", 400, "--batch-size", 32, "--out", "m.npz"]
    (folder / "text.txt").write_bytes(TEXT.encode() * 10)
    with terminal("train", "text.txt", *slow, cwd=folder) as tty:
        tty.read(until="chars/s ")
        for name in ("SIGXCPU", "SIGXCPU", "SIGUSR1", "SIGTERM"):
            tty.process.send_signal(getattr(signal, name))
            time.sleep(0.05)  # all of them during one step
        assert tty.end() in (138, 152)  # those that came during a kernel are handled by number
    end = json.loads((folder / "m.jsonl").read_text().splitlines()[-1])
    assert (end["event"], end["reason"]) == ("end", "interrupted")
    load(folder / "m.npz")


def test_a_second_signal_leaves_at_once_and_gives_the_cursor_back(folder):
    """During a step that takes a while."""
    slow = ["--hidden-size", 1500, "--seq-len", 400, "--batch-size", 32, "--out", "m.npz"]
    (folder / "text.txt").write_bytes(TEXT.encode() * 10)
    with terminal("train", "text.txt", *slow, cwd=folder) as tty:
        tty.read(until="━")
        tty.process.send_signal(signal.SIGINT)
        tty.read(until="interrupt again to stop at once")
        tty.process.send_signal(signal.SIGINT)
        assert tty.end() == 130
    assert tty.shown.rindex(CURSOR_ON) > tty.shown.rindex(CURSOR_OFF)
    assert "ended" not in tty.shown
    assert tty.shown.endswith("\n")
    assert not (folder / "m.npz").exists()


def test_a_signal_while_kernels_compile_leaves_at_once(folder, tmp_path_factory):
    empty = str(tmp_path_factory.mktemp("cache"))
    with terminal("train", "text.txt", *STEPS, cwd=folder, NUMBA_CACHE_DIR=empty) as tty:
        tty.read(until="compiling kernels")
        tty.process.send_signal(signal.SIGTERM)
        assert tty.end() == 143
    assert tty.shown.rindex(CURSOR_ON) > tty.shown.rindex(CURSOR_OFF)
    assert "stopped before the first step" in tty.shown
    assert "compiled" not in tty.shown
    assert not list(folder.glob("m.*"))  # the same command can be given again


def test_a_signal_that_is_ignored_stays_ignored(folder):
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with started("train", "text.txt", *ENDLESS, "--out", "m.npz", cwd=folder) as process:
            wait(lambda: "step" in kinds(folder / "m.jsonl"))
            process.send_signal(signal.SIGHUP)
            size = (folder / "m.jsonl").stat().st_size
            wait(lambda: (folder / "m.jsonl").stat().st_size > size + 100_000)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupted_sample_ends_quietly(folder):
    with started("sample", "model.npz", "--length", 0, "--seed", 1, cwd=folder) as process:
        assert process.stderr.readline() == "seed 1\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")


def test_plain_lines_come_once_in_some_seconds(folder):
    """However often the run validates."""
    options = [*SMALL, "--epochs", "1e9", "--eval-every", "5", "--out", "m.npz"]
    with started("train", "text.txt", *options, cwd=folder) as process:
        wait(lambda: kinds(folder / "m.jsonl").count("eval") > 100)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert sum(line.startswith("step ") for line in err.splitlines()) <= 2


def test_each_validation_shows_a_sample_and_a_line_of_blocks(folder):
    """In the end one of the model that is kept: learning makes a shuffled text worse, so not the last."""
    words = [*(folder / "text.txt").read_text()]
    random.Random(0).shuffle(words)
    (folder / "shuffled.txt").write_text("".join(words[:500]))
    steps = ["--max-steps", "40", "--eval-every", "10", "--lr", "0.03", "--lr-schedule", "constant"]
    options = [*SMALL, *steps, "--val", "shuffled.txt", "--out", "m.npz"]
    with terminal("train", "text.txt", *options, cwd=folder) as tty:
        assert tty.end() == 0
    lines = screen(tty.shown)
    evaluated = [json.loads(line) for line in (folder / "m.jsonl").read_text().splitlines()]
    bits = [f"{event['bpc']:.3f}" for event in evaluated if event["event"] == "eval"]
    assert len(bits) == 4
    (history,) = (line for line in lines if line.startswith("│ validations"))
    assert re.search(rf"{bits[0]} [▁-█]{{4}} {bits[-1]} bpc", history)
    best = min(evaluated, key=lambda event: event["loss"] if event["event"] == "eval" else 99)
    assert best["step"] < 40
    assert any(line.startswith(f"╭─ sample at step {best['step']} ─") for line in lines)
    assert "sample" not in kinds(folder / "m.jsonl")  # for the eye alone


def test_without_validation_each_epoch_shows_a_sample(folder):
    options = [*SMALL, "--val-fraction", "0", "--epochs", "2", "--out", "m.npz"]
    with terminal("train", "text.txt", *options, cwd=folder) as tty:
        assert tty.end() == 0
    last = json.loads((folder / "m.jsonl").read_text().splitlines()[-1])["best"]["step"]
    assert any(line.startswith(f"╭─ sample at step {last} ─") for line in screen(tty.shown))


@pytest.mark.parametrize("rows", [7, 12])
def test_a_low_terminal_is_left_clean(folder, rows):
    with terminal("train", "text.txt", *ENDLESS, "--eval-every", "20", cwd=folder, rows=rows) as tty:
        tty.read(until="val perplexity")
        tty.process.send_signal(signal.SIGINT)
        assert tty.end() == 130
    after = tty.shown[tty.shown.rindex("ended") :]
    assert "━" not in after and "chars/s" not in after and tty.shown.count("...") == 0
