"""`charrnn runs`: the best first, what differs, how each ended; the same for machines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import logs
import pytest
from logs import end, start, step, val, write
from program import environment, run, terminal

from charrnn.training.events import Resumed

pytest_plugins = ["trained"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runs of every fate."""
    best = val(70, 2.0)
    write(
        tmp_path / "over.jsonl",
        *(start(cell="gru"), step(10, 4.0), best, val(300, 2.44), val(300, 2.2, split="test")),
        end("epochs", best),
    )
    write(tmp_path / "even.jsonl", start(), step(10, 4.0), val(200, 2.5), val(300, 2.51), end("time"))
    killed = [start(), step(10, 4.0), val(10, 3.5), step(40, 2.0)]
    again = [start(), Resumed(10, "resumed.last.npz"), step(20, 3.0, seconds=2.0), val(20, 3.0, seconds=2.5)]
    write(tmp_path / "resumed.jsonl", *killed, *again, end='{"event": "step", "st')
    write(tmp_path / "blind.jsonl", start(val_fraction=0.0), step(120, 1.0), end("interrupted"))
    write(tmp_path / "wild.jsonl", start(lr=9.0), end("diverged"))
    write(tmp_path / "new.jsonl", start())
    (tmp_path / "samples.jsonl").write_text('{"sample": 0, "text": "a"}\n')
    return tmp_path


def test_the_best_is_first_and_each_run_says_what_it_is(folder):
    done = run("runs", *sorted(path.name for path in folder.glob("*.jsonl")), cwd=folder)
    assert done.code == 0
    assert done.err == (
        "skipped: line 1 of samples.jsonl is not an event of a training log; choose the .jsonl file that "
        "charrnn train wrote next to its checkpoint\n"
    )
    assert (
        done.out.decode()
        == """\
  best     bpc     epoch  last           test  seconds  ended        cell  val_fraction    lr  log
1.3863  2.0000   7 of 30  1.6913 +22%  1.5249     30.0  epochs       gru            0.1  0.01  over
1.7329  2.5000  20 of 30  1.7398            -     30.0  time         lstm           0.1  0.01  even
2.0794  3.0000    2 of 2  2.0794            -      3.5  running      lstm           0.1  0.01  resumed
     -       -   - of 12  -                 -     12.0  interrupted  lstm             0  0.01  blind
     -       -    - of 0  -                 -      0.0  running      lstm           0.1  0.01  new
     -       -    - of 0  -                 -      0.0  diverged     lstm           0.1     9  wild
"""
    )


def test_columns_that_no_run_has_are_left_out(folder):
    done = run("runs", "resumed.jsonl", cwd=folder)
    assert done.out.decode().splitlines()[0].split() == [
        *("best", "bpc", "epoch", "last", "seconds", "ended", "log"),
    ]
    assert run("runs", "new.jsonl", cwd=folder).out.decode().split()[:3] == ["epoch", "seconds", "ended"]


@pytest.mark.parametrize("last, marked", [(2.0, ""), (2.019, ""), (2.021, " +1%"), (3.0, " +50%")])
def test_a_last_validation_over_a_hundredth_worse_than_the_best_is_marked(last, marked, tmp_path):
    write(tmp_path / "a.jsonl", start(), step(10, 4.0), val(100, 2.0), val(200, last))
    shown = run("runs", "a.jsonl", cwd=tmp_path).out.decode().splitlines()[1]
    assert f"  {logs.val(1, last).loss:.4f}{marked}  " in shown


def test_json_says_all_of_it(folder):
    done = run("runs", "wild.jsonl", "resumed.jsonl", "over.jsonl", "--json", cwd=folder)
    assert (done.code, done.err) == (0, "")
    over, resumed, wild = json.loads(done.out)
    best = val(70, 2.0)
    assert over.pop("config")["hidden_size"] == start().config["hidden_size"]
    assert over == {
        "name": "over",
        "log": "over.jsonl",
        "best": {"step": 70, "epoch": 7.0, "loss": best.loss, "bpc": 2.0},
        "last": val(1, 2.44).loss,
        "test": val(1, 2.2).loss,
        "epochs": 30.0,
        "seconds": 30.0,
        "ended": "epochs",
        "sha256": "abc",
        "differs": {"cell": "gru", "lr": 0.01},
    }
    assert (resumed["ended"], resumed["epochs"], resumed["seconds"], resumed["test"]) == (
        None,
        2.0,
        3.5,
        None,
    )
    assert (wild["best"], wild["last"], wild["ended"]) == (None, None, "diverged")
    assert wild["differs"] == {"cell": "lstm", "lr": 9.0}


def test_joined_logs_are_read_from_stdin(folder):
    joined = b"".join((folder / name).read_bytes() for name in ("even.jsonl", "over.jsonl"))
    done = run("runs", "-", "resumed.jsonl", cwd=folder, stdin=joined)
    assert (done.code, done.err) == (0, "")
    told = [line.split() for line in done.out.decode().splitlines()[1:]]
    assert [(best, name) for best, *_, name in told] == [
        ("1.3863", "stdin"),
        ("1.7329", "stdin"),
        ("2.0794", "resumed"),
    ]


def test_runs_of_other_texts_are_noted(folder):
    write(folder / "other.jsonl", start("def"), step(10, 4.0))
    assert "used different texts" in run("runs", "even.jsonl", "other.jsonl", cwd=folder).err
    assert run("runs", "even.jsonl", "other.jsonl", "-q", cwd=folder).err == ""
    assert run("runs", "even.jsonl", "over.jsonl", cwd=folder).err == ""


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["samples.jsonl"], 1, ["line 1 of samples.jsonl is not an event", "charrnn train wrote"]),
        (["even.jsonl", "missing.jsonl"], 1, ["missing.jsonl cannot be read: No such file"]),
        (["-"], 1, ["stdin has no losses"]),
        (["-", "-"], 2, ["stdin (-) is named twice"]),
        ([], 2, ["LOG", "charrnn runs --help"]),
    ],
)
def test_one_line_says_what_is_wrong(arguments, code, words, folder):
    done = run("runs", *arguments, cwd=folder)
    assert (done.code, done.out) == (code, b"") and done.err.count("\n") == 1, done.err
    for word in words:
        assert word in done.err


def test_a_terminal_is_not_steered_by_names_and_values(tmp_path):
    odd = {"event": "start", "config": {"cell": "red\x1b]0;gru", "\u202ekey": 1}}
    lines = [odd, {"event": "end", "reason": "gone\x07"}]  # a stranger's
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    name = "a\x1b[31m.jsonl"
    logs.run(tmp_path / name)
    with terminal("runs", "-q", name, "x.jsonl", cwd=tmp_path, columns=400) as shown:
        assert shown.end() == 0
    assert "\x1b[31m" not in shown.shown and r"a\x1b[31m" in shown.shown
    assert r"red\x1b]0;gru" in shown.shown and r"\u202ekey" in shown.shown and r"gone\x07" in shown.shown
    piped = run("runs", name, "x.jsonl", cwd=tmp_path)
    assert piped.out.decode().split() == shown.shown.split()


def test_what_a_run_says_is_what_its_checkpoint_says(trained):
    """The best model's metrics, by another command."""
    done = run("runs", trained.log, "--json", cwd=trained.folder)
    (told,) = json.loads(done.out)
    metrics = json.loads(run("info", trained.checkpoint, "--json", cwd=trained.folder).out)["metrics"]
    assert told["best"] == {name: metrics[name] for name in ("step", "epoch", "loss", "bpc")}
    assert (told["ended"], told["test"]) == ("steps", None) and told["seconds"] > 0


def test_it_starts_without_the_heavy_libraries(folder):
    code = """
import atexit, sys
from charrnn.cli.main import main
atexit.register(lambda: print([m for m in ("numpy", "numba", "rich", "matplotlib") if m in sys.modules]))
sys.argv = ["charrnn", "runs", "even.jsonl"]
main()
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2].endswith("  even") and done.stdout.splitlines()[-1] == "[]"
