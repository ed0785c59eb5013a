"""Measures the speeds that README and docs/speed.md show, and writes them in:  python docs/figures.py

Needs PyTorch, a processor with bfloat16, and half an hour in which the machine does nothing else.  With a
file's name it keeps what was measured there, and writes from it where it is there already.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CELLS, DTYPES = ("lstm", "gru", "rnn"), ("float32", "bfloat16")
Results = dict[str, dict[str, Any]]


def measured() -> dict[str, Any]:
    """Each cell and type in a process of its own."""
    runs: Results = {}
    for cell in CELLS:
        for dtype in DTYPES:
            command = ["charrnn", "bench", "--cell", cell, "--dtype", dtype, "--json", "--quiet"]
            more = ["--vs", "torch"] if dtype == "float32" else []
            command = [sys.executable, "-m", *command, *more]
            done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
            runs[f"{cell} {dtype}"] = json.loads(done.stdout)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return {
        "runs": runs,
        "commit": commit.stdout.strip(),
        "date": date.today().isoformat(),
        "processor": processor(),
        "threads": runs["lstm float32"]["threads"],
        "libraries": ", ".join(
            f"{name} {version(name.lower()).split('+')[0]}" for name in ("NumPy", "Numba", "torch")
        ),
    }


def processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.processor()


def rows(data: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By setup, a row for each cell: ours and PyTorch's, in characters a second."""
    table: dict[str, list[dict[str, Any]]] = {}
    for cell in CELLS:
        ours, halved = (data["runs"][f"{cell} {dtype}"]["results"] for dtype in DTYPES)
        for one, other in zip(ours, halved, strict=True):
            row = {"cell": cell, "float32": one["chars_per_s"], "bfloat16": other["chars_per_s"]}
            row |= {"share": one["share"], "torch": one["torch"], "autocast": one["autocast"]}
            table.setdefault(one["setup"], []).append(row)
    return table


def thousands(speed: float) -> str:
    return f"{speed / 1000:.3g}" if speed < 1e6 else f"{speed / 1000:.0f}"


def full(data: dict[str, Any]) -> str:
    """The table of docs/speed.md."""
    head = (
        "setup|cell|float32|share|bfloat16|PyTorch float32|PyTorch autocast|best of ours over best of PyTorch"
    )
    lines = [f"| {head.replace('|', ' | ')} |", "|" + " --- |" * 8]
    for setup, of_cells in rows(data).items():
        for number, row in enumerate(of_cells):
            ratio = max(row["float32"], row["bfloat16"]) / max(row["torch"], row["autocast"])
            speeds = (thousands(row[name]) for name in ("float32", "bfloat16", "torch", "autocast"))
            ours, halved, torch, autocast = speeds
            cells = [
                "" if number else setup,
                row["cell"],
                ours,
                f"{row['share']:.0%}",
                halved,
                torch,
                autocast,
            ]
            lines.append(f"| {' | '.join(cells)} | {ratio:.1f} |")
    return "\n".join(lines)


def short(data: dict[str, Any]) -> str:
    """The table of the README: training an LSTM in minibatches."""
    lines = [
        "| units, layers | charrnn float32 | charrnn bfloat16 | PyTorch float32 | PyTorch autocast |",
        "| --- | --- | --- | --- | --- |",
    ]
    for setup, of_cells in rows(data).items():
        if found := re.fullmatch(r"train B 64, T \d+, H (\d+), (\d) layers?", setup):
            (row,) = (row for row in of_cells if row["cell"] == "lstm")
            speeds = " | ".join(thousands(row[name]) for name in ("float32", "bfloat16", "torch", "autocast"))
            lines.append(f"| {found[1]} x {found[2]} | {speeds} |")
    return "\n".join(lines)


def when(data: dict[str, Any]) -> str:
    return (
        f"Measured on {data['date']} at commit {data['commit']}, with {data['libraries']}: {data['threads']} "
        f"threads of an {data['processor']}, medians of five alternating rounds; "
        "thousands of characters a second."
    )


def fill(page: Path, name: str, text: str) -> None:
    """Between the comments `figures NAME` and `end`."""
    pattern = rf"(<!-- figures {name} -->\n).*?(<!-- end -->)"
    old = page.read_text(encoding="utf-8")
    new, found = re.subn(pattern, lambda match: f"{match[1]}{text}\n{match[2]}", old, flags=re.DOTALL)
    if found != 1:
        raise SystemExit(f"{page} has {found} places for {name}")
    page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    kept = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    data = json.loads(kept.read_text()) if kept and kept.exists() else measured()
    if kept:
        kept.write_text(json.dumps(data, indent=1))
    fill(ROOT / "README.md", "speed", short(data))
    for name, text in (("when", when(data)), ("table", full(data))):
        fill(ROOT / "docs" / "speed.md", name, text)
