"""The speeds of README, docs/speed.md and docs/bfloat16.md, from `charrnn bench`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

CELLS, DTYPES = ("lstm", "gru", "rnn"), ("float32", "bfloat16")
Data = dict[str, Any]


def measure(texts: Path | None) -> Data:
    """Bench each cell and type in a process of its own."""
    runs: Data = {}
    for cell in CELLS:
        for dtype in DTYPES:
            command = ["charrnn", "bench", "--cell", cell, "--dtype", dtype, "--json", "--quiet"]
            more = ["--vs", "torch"] if dtype == "float32" else []
            done = subprocess.run([sys.executable, "-m", *command, *more], capture_output=True, check=True)
            runs[f"{cell} {dtype}"] = json.loads(done.stdout)
    return runs


def rows(runs: Data) -> dict[str, list[Data]]:
    """By setup, a row for each cell: our speeds and PyTorch's, in characters a second."""
    table: dict[str, list[Data]] = {}
    for cell in CELLS:
        ours, halved = (runs[f"{cell} {dtype}"]["results"] for dtype in DTYPES)
        for one, other in zip(ours, halved, strict=True):
            row = {"cell": cell, "float32": one["chars_per_s"], "bfloat16": other["chars_per_s"]}
            row |= {"share": one["share"], "torch": one["torch"], "autocast": one["autocast"]}
            table.setdefault(one["setup"], []).append(row)
    return table


def speeds(row: Data) -> list[str]:
    """In thousands, as a table shows them."""
    values = (row[name] / 1000 for name in ("float32", "bfloat16", "torch", "autocast"))
    return [f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in values]


def full(runs: Data) -> str:
    lines = [
        "| setup | cell | float32 | share | bfloat16 | PyTorch float32 | PyTorch autocast | best over best |",
        "|" + " --- |" * 8,
    ]
    for setup, of_cells in rows(runs).items():
        for number, row in enumerate(of_cells):
            ratio = max(row["float32"], row["bfloat16"]) / max(row["torch"], row["autocast"])
            ours, *others = speeds(row)
            cells = ["" if number else setup, row["cell"], ours, f"{row['share']:.0%}", *others]
            lines.append(f"| {' | '.join(cells)} | {ratio:.1f} |")
    return "\n".join(lines)


def short(runs: Data) -> str:
    """Training an LSTM in minibatches."""
    lines = [
        "| units, layers | charrnn float32 | charrnn bfloat16 | PyTorch float32 | PyTorch autocast |",
        "| --- | --- | --- | --- | --- |",
    ]
    for setup, of_cells in rows(runs).items():
        if found := re.fullmatch(r"train B 64, T \d+, H (\d+), (\d) layers?", setup):
            (row,) = (row for row in of_cells if row["cell"] == "lstm")
            lines.append(f"| {found[1]} x {found[2]} | {' | '.join(speeds(row))} |")
    return "\n".join(lines)


def gains(runs: Data) -> str:
    """Of bfloat16 over float32."""
    lines = ["| | lstm | gru | rnn |", "| --- | --- | --- | --- |"]
    for setup, of_cells in rows(runs).items():
        ratios = (f"{row['bfloat16'] / row['float32']:.2f}" for row in of_cells)
        lines.append(f"| {setup} | {' | '.join(ratios)} |")
    return "\n".join(lines)


PLACES = {
    ("README.md", "speed short"): short,
    ("docs/speed.md", "speed"): full,
    ("docs/bfloat16.md", "speed gains"): gains,
}
