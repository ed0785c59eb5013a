"""The command line in pipes: what each command writes, where, and that its figures agree with each other."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from program import LINES, SMALL, TEXT, environment, run, shell
from recipes import blocks

import charrnn
from charrnn.cli import output
from charrnn.cli.info import validation_losses
from charrnn.cli.main import program
from charrnn.cli.sparkline import sparkline

pytest_plugins = ["trained"]

COMMANDS = typer.main.get_command(program()).commands
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
FIELDS = {
    "start": {"config", "corpus", "params", "threads", "seed", "version"},
    "step": {
        *("step", "epoch", "chars", "loss", "bpc", "perplexity", "lr", "grad_norm", "chars_per_s"),
        "elapsed_s",
    },
    "eval": {"step", "epoch", "split", "loss", "bpc", "perplexity", "elapsed_s"},
    "checkpoint": {"step", "path", "kind"},
    "end": {"reason", "best", "compile_s", "train_s", "chars_per_s"},
}


def events(log: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in log.read_text().splitlines()]


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


# train


def test_train_writes_its_files_below_the_current_folder_and_nothing_to_stdout(trained):
    assert trained.outcome.code == 0
    assert trained.outcome.out == b""
    assert sorted(p.name for p in trained.checkpoint.parent.iterdir()) == [
        "corpus-rnn.jsonl",
        "corpus-rnn.last.npz",
        "corpus-rnn.npz",
    ]
    assert arrays(trained.checkpoint)["rnn.weight_hh_l0"].shape == (8, 8)


def test_train_ends_with_a_line_to_copy(trained):
    last = trained.outcome.err.splitlines()[-1]
    program, *arguments = shlex.split(last.removeprefix("sample it"))
    assert program == "charrnn"
    drawn = run(*arguments, "--length", 5, cwd=trained.folder)
    assert drawn.code == 0
    assert len(drawn.out.decode()) == 5


def test_every_line_of_the_log_has_its_fields_and_finite_figures(trained):
    for event in events(trained.log):
        kind = event["event"]
        assert FIELDS.get(kind, set()) <= event.keys(), kind
        for name, value in event.items():
            assert not isinstance(value, float) or (math.isfinite(value) and value >= 0), (kind, name)
        if "loss" in event:
            assert event["bpc"] == pytest.approx(event["loss"] / math.log(2), rel=1e-12)
            assert event["perplexity"] == pytest.approx(math.exp(event["loss"]), rel=1e-12)


def test_json_has_no_infinity():
    line = output.json_line({"a": math.inf, "b": [math.nan, {"c": -math.inf}], "d": 1.5})
    assert json.loads(line) == {"a": None, "b": [None, {"c": None}], "d": 1.5}


def test_the_log_tells_the_run_in_order(trained):
    log = events(trained.log)
    kinds = [event["event"] for event in log]
    assert (kinds[0], kinds[1], kinds[-1]) == ("start", "compiled", "end")
    assert [e["step"] for e in log if e["event"] == "step"] == [1, 10, 20, 30, 40, 45]
    assert [e["step"] for e in log if e["event"] == "eval"] == [20, 40, 45]
    assert [e.get("step", 0) for e in log[:-1]] == sorted(e.get("step", 0) for e in log[:-1])
    files = [event["kind"] if event["event"] == "checkpoint" else event["event"] for event in log]
    for before, event in pairwise(files):
        assert event != "best" or before == "eval"

    start, end = log[0], log[-1]
    assert start["corpus"]["chars"] == len(TEXT)
    assert start["corpus"]["vocab"] == len(set(TEXT))
    assert start["corpus"]["sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert (start["seed"], start["threads"], start["version"]) == (3, 2, charrnn.__version__)
    assert start["params"] == 8 * (2 * len(set(TEXT)) + 8 + 1) + len(set(TEXT))
    best = min((e for e in log if e["event"] == "eval"), key=lambda e: e["loss"])
    assert (end["reason"], end["best"]["loss"], end["best"]["step"]) == ("steps", best["loss"], best["step"])
    assert [e["step"] for e in log if e.get("kind") == "best"][-1] == best["step"]
    assert end["chars_per_s"] == pytest.approx(45 * 4 * 16 / end["train_s"], rel=0.05)


def test_the_same_seed_gives_the_same_bits_on_another_number_of_threads(trained):
    arguments = [*trained.arguments, "--threads", 1, "--out", "again.npz", "-q"]
    again = run(*arguments, cwd=trained.folder)
    assert (again.code, again.err) == (0, "")
    first, second = arrays(trained.checkpoint), arrays(trained.folder / "again.npz")
    assert first.keys() == second.keys()
    for name in first.keys() - {"meta"}:
        assert first[name].tobytes() == second[name].tobytes(), name


def test_results_are_overwritten_by_force_alone(trained, tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT)
    arguments = ["train", "corpus.txt", *SMALL, "--max-steps", "1", "--out", "m.npz"]
    for existing in ("m.npz", "m.last.npz", "m.jsonl"):
        (tmp_path / existing).write_text("mine")
        refused = run(*arguments, cwd=tmp_path)
        assert refused.code == 2
        assert f"{existing} exists" in refused.err and "--force" in refused.err
        assert (tmp_path / existing).read_text() == "mine"
        forced = run(*arguments, "--force", cwd=tmp_path)
        assert forced.code == 0
        assert arrays(tmp_path / "m.npz")
        assert events(tmp_path / "m.jsonl")[-1]["event"] == "end"
        for made in tmp_path.glob("m.*"):
            made.unlink()


def test_corpora_are_read_one_after_the_other_and_from_stdin(trained, tmp_path):
    half = len(TEXT.encode()) // 2 // len(LINES.encode()) * len(LINES.encode())
    (tmp_path / "a.txt").write_bytes(TEXT.encode()[:half])
    done = run(
        *["train", "a.txt", "-", *trained.arguments[2:], "--out", "m.npz"],
        cwd=tmp_path,
        stdin=TEXT.encode()[half:],
    )
    assert done.code == 0
    assert events(tmp_path / "m.jsonl")[0]["corpus"] == events(trained.log)[0]["corpus"]


# sample


def test_samples_go_to_a_pipe_byte_for_byte(trained):
    drawn = run("sample", trained.checkpoint, "--length", 500, "--seed", 1, cwd=trained.folder)
    assert (drawn.code, drawn.err) == (0, "seed 1\n")
    text = drawn.out.decode()
    assert len(text) == 500
    assert set(text) <= set(TEXT)
    assert set("\x1b\x07\x9b\r\n\t") <= set(text)  # none is escaped, translated or dropped


def test_a_seed_draws_the_same_text_and_is_always_shown(trained):
    first = run("sample", trained.checkpoint, "--length", 100, cwd=trained.folder)
    seed = re.fullmatch(r"seed (\d+)\n", first.err).group(1)
    again = run("sample", trained.checkpoint, "--length", 100, "--seed", seed, cwd=trained.folder)
    other = run("sample", trained.checkpoint, "--length", 100, "-q", cwd=trained.folder)
    assert first.out == again.out != other.out
    assert other.err == ""


def test_the_prime_is_echoed_but_not_counted(trained):
    arguments = ["sample", trained.checkpoint, "--length", 20, "--seed", 1, "--prime", "It was.\r\n\u8a9e"]
    with_prime = run(*arguments, cwd=trained.folder).out.decode()
    without = run(*arguments, "--no-echo", cwd=trained.folder).out.decode()
    assert with_prime == "It was.\r\n\u8a9e" + without
    assert len(without) == 20


def test_a_reader_may_leave_early(trained):
    for length in (100_000, 0):
        line = f"$CHARRNN sample {trained.checkpoint} -q --length {length} --seed 1 | head -c 100"
        done = shell(line, trained.folder)
        assert (done.code, len(done.out), done.err) == (0, 100, "")


# eval


def test_the_tail_scores_as_the_last_validation_did(trained, tmp_path):
    tail = TEXT[len(TEXT) - len(TEXT) // 10 :]
    (tmp_path / "tail.txt").write_bytes(tail.encode())
    scored = run("eval", trained.checkpoint, "tail.txt", "--json", "-q", cwd=tmp_path)
    assert (scored.code, scored.err) == (0, "")
    figures = json.loads(scored.out)["texts"][0]
    best = events(trained.log)[-1]["best"]
    for name in ("loss", "bpc", "perplexity"):
        assert figures[name] == pytest.approx(best[name], rel=1e-9)
    assert figures["chars"] == len(tail) - 1

    plain = run("eval", trained.checkpoint, "tail.txt", cwd=tmp_path).out.decode()
    shown = [float(line.split()[-1]) for line in plain.splitlines()]
    assert shown == [round(figures[name], 4) for name in ("loss", "bpc", "perplexity", "accuracy", "chars")]
    stdin = run("eval", trained.checkpoint, "-", "--json", cwd=tmp_path, stdin=tail.encode())
    assert stdin.out == scored.out.replace(b'"tail.txt"', b'"stdin"')


# info


def test_info_shows_what_the_file_holds(trained):
    done = run("info", trained.checkpoint, "--json", cwd=trained.folder)
    facts = json.loads(done.out)
    shapes = {k: list(v.shape) for k, v in arrays(trained.checkpoint).items() if k not in ("meta", "vocab")}
    assert facts["arrays"] == shapes
    assert facts["vocabulary"] == "".join(sorted(set(TEXT)))
    assert facts["model"]["cell"] == "rnn" and facts["model"]["hidden_size"] == 8
    assert facts["command"] == shlex.join(["charrnn", *trained.arguments])
    assert facts["seed"] == 3

    plain = run("info", trained.checkpoint, cwd=trained.folder).out.decode()
    for fact in ("rnn.weight_hh_l0      8 x 8", facts["command"], facts["corpus"]["sha256"], "\\x1b"):
        assert fact in plain
    assert not set(plain) & set("\x1b\x07\x9b\r")
    for name in ("level", "seed"):
        assert len(re.findall(rf"^ *{name} ", plain, re.MULTILINE)) == 1, name
    first, *_, last = [event["loss"] for event in events(trained.log) if event["event"] == "eval"]
    picture = re.search(r"^history +(\S+)  validation (\S+) to (\S+)$", plain, re.MULTILINE).groups()
    assert (picture[0][0], picture[1:]) == ("\u2588", (f"{first:.3f}", f"{last:.3f}"))


def test_a_sparkline_is_as_high_as_its_values():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
    assert sparkline([2.5, 2.5]) == "\u2581\u2581"
    assert sparkline([*range(999), -1e9]) == "\u2588" * 59 + "\u2581"


@pytest.mark.parametrize("history", [[[1, math.inf]], [[1, "a"], [], 3], "text", {"a": 1}])
def test_a_strange_history_is_no_picture(history):
    assert validation_losses({"history": history}) == []


# gradcheck


def test_gradcheck_passes_and_its_exit_code_says_when_it_does_not(tmp_path):
    arguments = ["gradcheck", "--cell", "rnn", "--num-layers", 1, "--hidden-size", 3, "-q"]
    passed = run(*arguments, cwd=tmp_path)
    assert (passed.code, passed.err) == (0, "")
    lines = passed.out.decode().splitlines()
    assert [line.split()[-1] for line in lines[1:-1]] == ["PASS"] * 6
    assert lines[-1].startswith("PASS 0 of 6")

    failed = run(*arguments, "--tol", "1e-18", cwd=tmp_path)
    assert failed.code == 4
    assert failed.out.decode().splitlines()[-1].startswith("FAIL 6 of 6")

    report = run(*arguments, "--tol", "1e-18", "--json", cwd=tmp_path)
    assert report.code == 4
    document = json.loads(report.out)
    assert document["passed"] is False
    assert [f"{row['largest']:.1e}" for row in document["rows"]] == [line.split()[-2] for line in lines[1:-1]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradcheck_passes_in_either_precision_by_default(tmp_path, dtype):
    done = run("gradcheck", "--dtype", dtype, "--json", "-q", cwd=tmp_path)
    report = json.loads(done.out)
    assert (done.code, report["passed"]) == (0, True)
    assert {row["cell"] for row in report["rows"]} >= {"rnn", "gru", "lstm"}
    chosen = run("gradcheck", "--dtype", dtype, "--tol", 1e-9, "--eps", 0.01, "--json", "-q", cwd=tmp_path)
    assert chosen.code == 4
    assert (json.loads(chosen.out)["eps"], json.loads(chosen.out)["tol"]) == (0.01, 1e-9)


# help


def test_version_and_help(tmp_path):
    assert run("--version", cwd=tmp_path).out.decode() == f"charrnn {charrnn.__version__}\n"
    everything = [run(*option, cwd=tmp_path) for option in ([], ["-h"], ["--help"])]
    assert [done.code for done in everything] == [0, 0, 0]
    assert everything[0].out == everything[1].out == everything[2].out
    for name in COMMANDS:
        assert re.search(rf"^│ {name} +\w", everything[0].out.decode(), re.MULTILINE), name
    train = run("train", "-h", cwd=tmp_path)
    assert train.code == 0
    for panel in ("Model", "Optimization", "Budget", "Run"):
        assert f"─ {panel} ─" in train.out.decode()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_a_group_and_every_command_can_be_quiet(name):
    options = [p for p in COMMANDS[name].params if p.param_type_name == "option"]
    assert [p.name for p in options if not p.rich_help_panel] == []
    assert "-q" in {spelling for p in options for spelling in p.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_and_every_command_has_an_example_that_parses(name):
    command = COMMANDS[name]
    for parameter in command.params:
        assert parameter.help and parameter.help.endswith("."), parameter.name
    example = re.search(r"Example: (.*)", command.help).group(1)
    parse(example)
    assert re.search(rf"charrnn {name}\b", README)


def test_every_command_of_the_readme_parses():
    parts = re.split(r"\n|&&|\|", "\n".join(blocks(README, "", "sh")))
    lines = [part.partition(" #")[0] for part in parts if part.strip().startswith("charrnn ")]
    assert len(lines) >= 8
    for line in lines:
        parse(line)


def parse(line: str) -> None:
    """Raises for an unknown command or option, or a wrong value."""
    program, name, *arguments = shlex.split(line.partition("|")[0].partition(">")[0])
    assert program == "charrnn"
    COMMANDS[name].make_context(name, arguments)


# completion


@pytest.mark.parametrize(
    "typed, offered",
    [
        (["tr"], {"train"}),
        ([""], set(COMMANDS)),
        (["train", "--ce"], {"--cell"}),
        (["train", "--optimizer", "ad"], {"adam", "adamw", "adagrad"}),
        (["train", "--level", ""], {"char", "byte"}),
        (["train", "--dtype", ""], {"float32", "bfloat16", "float64"}),
        (["train", "--unknown", ""], {"error", "skip"}),
        (["sample", "--format", ""], {"text", "jsonl"}),
        (["plot", "--format", ""], {"png", "svg"}),
        (["plot", "--over", ""], {"chars", "seconds"}),
        (["gradcheck", "--cell", "a"], {"all"}),
        (["bench", "--vs", ""], {"torch"}),
        (["--inst"], {"--install-completion"}),
    ],
)
def test_a_tab_completes_commands_and_options_without_the_heavy_libraries(tmp_path, typed, offered):
    code = "import sys; sys.argv[0] = 'charrnn'; from charrnn.cli.main import main; main()"
    asked = {"_CHARRNN_COMPLETE": "complete_bash", "COMP_CWORD": str(len(typed))}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=tmp_path,
        env=environment(**asked, COMP_WORDS=" ".join(["charrnn", *typed])),
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == offered
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "charrnn.cli.main" in loaded and not loaded & {"numpy", "numba", "rich"}
