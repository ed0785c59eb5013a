"""Measure the figures that pages show, and write them in:

    python docs/figures.py RESULTS [PART...] [--texts FOLDER]

A page marks each place with `<!-- figures NAME -->` and `<!-- end -->`. RESULTS is a JSON file: parts that it
has are written in again, others are measured and added to it. The parts:

speed     characters a second beside PyTorch; needs PyTorch, a processor with bfloat16, and 20 idle minutes
training  losses of plain commands; FOLDER has shakespeare.txt; 15 idle minutes
ruler     losses above known entropies; 15 minutes
attention a task of copying; 2 minutes
explain   units of two models; 5 minutes; prints what the prose quotes
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import figures_explain
import figures_runs
import figures_speed

ROOT = Path(__file__).parent.parent
# By part: what measures it, and what each place of a page shows of the result
PARTS = {
    "speed": (figures_speed.measure, figures_speed.PLACES),
    "training": (figures_runs.measure_training, figures_runs.TRAINING_PLACES),
    "ruler": (figures_runs.measure_ruler, figures_runs.RULER_PLACES),
    "explain": (figures_explain.measure, figures_explain.PLACES),
    "attention": (figures_runs.measure_attention, figures_runs.ATTENTION_PLACES),
}


def measured_by(part: str) -> dict[str, Any]:
    """When, from which commit, and on what a part was measured."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    libraries = ["NumPy", "Numba", *(["torch"] if part == "speed" else [])]
    return {
        "commit": commit,
        "date": date.today().isoformat(),
        "processor": cpu[1] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "libraries": ", ".join(f"{name} {version(name.lower()).partition('+')[0]}" for name in libraries),
    }


def sentence(by: dict[str, Any]) -> str:
    return (
        f"Measured on {by['date']} at commit {by['commit']}, on {by['cores']} cores of an {by['processor']}, "
        f"with {by['libraries']}."
    )


def home(places: dict[tuple[str, str], Any]) -> str:
    """The page that says when and where a part was measured."""
    return next(page for page, _ in places if page != "README.md")


def fill(page: Path, name: str, text: str) -> None:
    """Write `text` between the comments `figures NAME` and `end`."""
    pattern = rf"(<!-- figures {name} -->\n).*?(<!-- end -->)"
    old = page.read_text(encoding="utf-8")
    new, found = re.subn(pattern, lambda match: f"{match[1]}{text}\n{match[2]}", old, flags=re.DOTALL)
    if found != 1:
        raise SystemExit(f"{page} has {found} places for {name}")
    page.write_text(new, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--texts", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    if arguments.results.exists():
        results = json.loads(arguments.results.read_text())
    for part in arguments.parts or results:
        measure, places = PARTS[part]
        if part not in results:
            results[part] = {"by": measured_by(part), "data": measure(arguments.texts)}
            arguments.results.write_text(json.dumps(results, indent=1))
        for (page, name), shown in places.items():
            fill(ROOT / page, name, shown(results[part]["data"]))
        fill(ROOT / home(places), f"{part} when", sentence(results[part]["by"]))


if __name__ == "__main__":
    main()
