"""The losses and times of docs/training.md, docs/ruler.md and docs/attention.md, from whole runs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
Data = dict[str, Any]


def shell(command: str, folder: Path) -> str:
    """The stdout of a command in which `charrnn` and `python` are those that run this."""
    here = shlex.quote(sys.executable)
    words = f'charrnn() {{ {here} -m charrnn "$@"; }}; python() {{ {here} "$@"; }}; {command}'
    bash = ["bash", "-euo", "pipefail", "-c", words]
    return subprocess.run(bash, cwd=folder, capture_output=True, text=True, check=True).stdout


def train(command: str, folder: Path) -> Data:
    """The best validation loss of a `charrnn train ...`, and the seconds of the whole command."""
    start = time.perf_counter()
    shell(f"{command} --out measured --force -q", folder)
    seconds = time.perf_counter() - start
    end = json.loads((folder / "measured.jsonl").read_text().splitlines()[-1])
    return {"loss": end["best"]["loss"], "epoch": end["best"]["epoch"], "seconds": seconds}


def minutes(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 100 else f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for named, block in fenced if named == language]


# docs/training.md: a label, a command, its seeds

FABLES, TWENTY = ROOT / "corpora" / "fables.txt", "the first 20,000 characters of"
TRAINING = [
    ("the fables (124 KB)", "charrnn train fables.txt", (0, 1, 2)),
    (f"{TWENTY} Shakespeare", "charrnn train shakespeare20.txt", (0, 1, 2)),
    (f"{TWENTY} the fables", "charrnn train fables20.txt", (0, 1, 2)),
    ("the first 300,000 characters of Shakespeare", "charrnn train shakespeare300.txt", (0, 1, 2)),
    ("Shakespeare (1.1 MB)", "charrnn train shakespeare.txt", (0, 1, 2)),
]


def measure_training(texts: Path | None) -> list[Data]:
    if texts is None:
        raise SystemExit("training needs --texts FOLDER, which has shakespeare.txt")
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (FABLES, texts / "shakespeare.txt"):
            text = file.read_text(encoding="utf-8")
            for kilo in (20, 300):
                (folder / f"{file.stem}{kilo}.txt").write_text(text[: 1000 * kilo], encoding="utf-8")
            (folder / file.name).write_text(text, encoding="utf-8")
        for label, command, seeds in TRAINING:
            runs = [train(f"{command} --seed {seed}", folder) for seed in seeds]
            results.append({"label": label, "command": command, "runs": runs})
            print(results[-1], file=sys.stderr)
    return results


def training_table(results: list[Data]) -> str:
    lines = ["| `charrnn train TEXT`, with | validation loss | mean | time |", "| --- | --- | --- | --- |"]
    for row in results:
        losses = [run["loss"] for run in row["runs"]]
        seconds = sorted(run["seconds"] for run in row["runs"])[(len(losses) - 1) // 2]
        cells = [
            row["label"],
            ", ".join(f"{loss:.3f}" for loss in losses),
            f"{sum(losses) / len(losses):.3f}",
            minutes(seconds),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


TRAINING_PLACES = {("docs/training.md", "training"): training_table}

# docs/ruler.md: its own commands, for each cell

ENTROPIES = {"markov": 1.726886, "brackets": 1.314262}  # corpora/README.md
RULER_CELLS = ("gru", "lstm", "rnn", "rnn_relu")


def measure_ruler(texts: Path | None) -> Data:
    (block, *_) = blocks("ruler.md", "sh")
    lines, results = block.splitlines(), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "corpora").symlink_to(ROOT / "corpora")
        for line in lines:
            if "charrnn train" not in line:
                shell(line, folder)
        for text in ENTROPIES:
            (command,) = (line for line in lines if f"charrnn train {text}" in line)
            for cell in RULER_CELLS:
                run = train(command.replace("--cell gru", f"--cell {cell}"), folder)
                results[f"{text} {cell}"] = run
                print(text, cell, run, file=sys.stderr)
    return results


def ruler_table(results: Data) -> str:
    lines = [
        "| text | entropy | cell | loss in nats | above the entropy |",
        "| --- | --- | --- | --- | --- |",
    ]
    for text, entropy in ENTROPIES.items():
        for number, cell in enumerate(RULER_CELLS):
            loss = results[f"{text} {cell}"]["loss"]
            head = "| | |" if number else f"| {text} | {entropy:.4f} |"
            lines.append(f"{head} {cell} | {loss:.4f} | {100 * (loss / entropy - 1):.2f} % |")
    return "\n".join(lines)


RULER_PLACES = {("docs/ruler.md", "ruler"): ruler_table}

# docs/attention.md: its own script and commands


def measure_attention(texts: Path | None) -> Data:
    make, score = blocks("attention.md", "python")
    commands = [line for block in blocks("attention.md", "") for line in block.splitlines()]
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "make.py").write_text(make)
        (folder / "score.py").write_text(score)
        shell("python make.py", folder)
        for model in ("with", "without"):
            (command,) = (line for line in commands if line.endswith(f"--out {model}.npz"))
            run = train(command.removesuffix(f" --out {model}.npz"), folder)
            (folder / "measured.npz").rename(folder / f"{model}.npz")
            (scored,) = (line for line in commands if f"eval {model}.npz" in line)
            results[model] = run | {"repeated": float(shell(scored, folder).split()[0])}
    return results


def attention_table(results: Data) -> str:
    lines = [
        "| | nats per repeated letter | validation loss, nats per character | time |",
        "| --- | --- | --- | --- |",
    ]
    for model, label in (("with", "`--attention 64`"), ("without", "`--attention 0`")):
        run = results[model]
        lines.append(f"| {label} | {run['repeated']:.3f} | {run['loss']:.3f} | {minutes(run['seconds'])} |")
    return "\n".join(lines)


ATTENTION_PLACES = {("docs/attention.md", "attention"): attention_table}
