"""What `charrnn train` says of a run: what is left, how it went on, why it ended, what to do next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from program import SMALL, UNIX, run, shell

from charrnn.cli.run_figures import Figures
from charrnn.training.events import End, Event, Resumed, Rewound, Start, Step

RUN = ["train", "text.txt", *SMALL, "--out", "m.npz"]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "text.txt").write_bytes(UNIX.encode())
    return tmp_path


def figures(*events: Event, max_time: float = 0.0) -> Figures:
    """A run of 100 steps, after `events`."""
    made = Figures()
    for event in (Start({"max_time": max_time}, {}, 1, 1, 0, "", 4, 100, 10), *events):
        made.add(event)
    return made


def step(number: int, seconds: float) -> Step:
    return Step(number, number / 10, number, 1.0, 1.0, 1.0, 0.1, 1.0, 10.0, seconds)


@pytest.mark.parametrize(
    "max_time, left, share",
    [(0.0, 16.0, 0.2), (17.0, 13.0, 4 / 17), (100.0, 16.0, 0.2), (3.0, 0.0, 4 / 3)],
)
def test_what_is_left_is_what_ends_first(max_time, left, share):
    steps = [step(number, number / 5) for number in range(1, 21)]  # 20 steps in 4 s
    assert figures(*steps, max_time=max_time).ahead() == pytest.approx((left, share))


def test_what_is_left_after_a_resume_goes_by_the_steps_of_this_process():
    resumed = figures(Resumed(60, "m.last.npz"), step(61, 2.0), step(62, 4.0))
    assert resumed.ahead() == pytest.approx((2.0 * 38, 0.62))
    rewound = figures(step(1, 1.0), step(2, 2.0), Rewound(0, 0.5), step(1, 3.0))
    assert rewound.ahead() == pytest.approx((99.0, 0.01))


def test_the_best_model_of_an_earlier_process_is_still_the_best():
    end = End("steps", {"step": 50, "loss": 1.0}, 0.0, 1.0, 10.0)
    assert figures(Resumed(60, "out/m.last.npz")).best(end) == ("out/m.npz", 50)
    assert figures().best(end) is None


def test_a_resumed_run_says_what_it_did_itself(folder):
    assert run(*RUN, "--max-steps", 20, cwd=folder).code == 0
    done = run(*RUN, "--max-steps", 30, "--resume", cwd=folder)
    assert done.code == 0
    assert "ended       all steps done: 30 steps, 10 of them since resuming, in 0:0" in done.err
    assert "sample it   charrnn sample m.npz" in done.err


@pytest.mark.parametrize("budget", ["--max-steps", "--epochs"])
def test_a_run_with_nothing_left_says_so_and_what_to_raise(folder, budget):
    assert run(*RUN, budget, 1, cwd=folder).code == 0
    model = (folder / "m.npz").read_bytes()
    done = run(*RUN, budget, 1, "--resume", cwd=folder)
    assert done.code == 0
    assert done.err.startswith("nothing left to do: ") and len(done.err.splitlines()) == 1
    assert f"raise {budget}" in done.err
    assert (folder / "m.npz").read_bytes() == model


def test_a_diverged_run_offers_no_untrained_model_and_says_what_to_do(folder):
    done = run(*RUN, "--lr", 1000, "--clip-norm", 0, "--optimizer", "sgd", "--warmup", 0, cwd=folder)
    assert done.code == 3
    assert "ended       diverged" in done.err
    assert "start again the same command with a lower --lr" in done.err
    assert "sample it" not in done.err and "training    " not in done.err
    assert done.err.splitlines()[-1].startswith("charrnn: training diverged")


def test_bytes_have_a_name_of_their_own(folder):
    shown = {
        level: run("train", "text.txt", *SMALL, "--level", level, "--dry-run", cwd=folder).out.decode()
        for level in ("char", "byte")
    }
    assert "checkpoints/text-rnn.npz," in shown["char"]
    assert "checkpoints/text-rnn-bytes.npz," in shown["byte"]


def test_a_dry_run_shows_all_and_leaves_nothing(folder):
    options = ["--hidden-size", 12, "--num-layers", 2, "--max-time", "2m", "--max-steps", 7]
    done = run("train", "text.txt", "--cell", "gru", *options, "--dry-run", cwd=folder)
    assert (done.code, done.err) == (0, "")
    shown = dict(line.split(maxsplit=1) for line in done.out.decode().splitlines())
    assert shown["model"] == "gru, 2 x 12 units, float32"
    assert shown["steps"].startswith("7, ") and shown["steps"].endswith(" per epoch")
    assert "on this machine" in shown["time"]
    files = "checkpoints/text-gru.npz, checkpoints/text-gru.last.npz, checkpoints/text-gru.jsonl"
    assert shown["output"] == files
    assert [path.name for path in folder.iterdir()] == ["text.txt"]


def test_a_dry_run_of_a_model_that_fits_nowhere_tells_its_size(folder):
    """In little memory: under a limit that such a model is far beyond."""
    line = "ulimit -v 4000000; $CHARRNN train text.txt --hidden-size 20000 --num-layers 4 --dry-run"
    done = shell(line, folder)
    assert (done.code, done.err) == (0, "")
    shown = dict(line.split(maxsplit=1) for line in done.out.decode().splitlines())
    h, v = 20_000, len(set(UNIX))
    parameters = v * 4 * h + 7 * 4 * h * h + 4 * 4 * h + v * h + v
    assert shown["parameters"] == f"{parameters:,}"
    assert float(shown["memory"].split()[0].replace(",", "")) * 1e6 > 4 * 5 * parameters  # with Adam's two
    assert shown["checkpoint"].endswith(" MB, above the limit of 2,000 MB")


def test_the_log_goes_to_stdout_when_asked(folder):
    done = run(*RUN, "--max-steps", 3, "--log", "-", "-q", cwd=folder)
    assert (done.code, done.err) == (0, "")
    events = [json.loads(line)["event"] for line in done.out.splitlines()]
    assert (events[0], events[-1]) == ("start", "end")
    assert sorted(path.name for path in folder.iterdir()) == ["m.last.npz", "m.npz", "text.txt"]
    resumed = run(*RUN, "--max-steps", 5, "--resume", "--log", "-", "-q", cwd=folder)
    assert [json.loads(line).get("step") for line in resumed.out.splitlines()][-1] is None
    assert b'"step": 5' in resumed.out and b'"step": 1,' not in resumed.out


def test_a_reader_of_the_log_may_leave(folder):
    done = shell(f"$CHARRNN {' '.join(map(str, RUN))} --max-steps 500 --log - -q | head -n 1", folder)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["event"] == "start"


def test_the_log_on_stdout_does_not_clash_with_a_text_on_stdin(folder):
    options = ["--max-steps", 2, "--out", "s.npz", "--log", "-", "-q"]
    done = run("train", "-", *SMALL, *options, cwd=folder, stdin=UNIX.encode())
    assert (done.code, done.err) == (0, "")
