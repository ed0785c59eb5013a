"""The two examples of docs/explain.md, by the page's own commands."""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from figures_runs import ROOT, blocks, shell

import charrnn
from charrnn.inspection.explanation import Explanation
from charrnn.inspection.text_features import features

Data = dict[str, Any]
EXAMPLES = {"brackets": "brackets-test.txt", "code": f"{sysconfig.get_path('stdlib')}/queue.py"}


def measure(texts: Path | None) -> Data:
    """Train both models and read their texts. The figures that the prose quotes go to stderr."""
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "corpora").symlink_to(ROOT / "corpora")
        for example, text in EXAMPLES.items():
            (block,) = (block for block in blocks("explain.md", "") if f"{example}-gru.html" in block)
            shell(block, folder)
            explanation = charrnn.load(folder / f"{example}-gru.npz").explain((folder / text).read_text())
            ranking = [each._asdict() for each in explanation.ranking()]
            results[example] = {"ranking": ranking, "untrained": explanation.untrained()}
            print_facts(example, explanation)
            print((folder / f"{example}-gru.jsonl").read_text().splitlines()[-1], file=sys.stderr)
            (folder / f"{example}-gru.html").rename(Path(tempfile.gettempdir(), f"{example}-gru.html"))
    return results


def print_facts(example: str, explanation: Explanation) -> None:
    best, bits = explanation.ranking()[0], explanation.bits
    signal = next(each for each in explanation.trace.signals if (each.layer, each.name) == best[:2])
    value = features(explanation.characters)[best.tracks]
    means = {float(v): round(float(signal.values[best.unit][value == v].mean()), 2) for v in np.unique(value)}
    lags = {name: (f"{norms[0]:.2g}", f"{norms[-1]:.2g}") for name, norms in explanation.lags().items()}
    at = int(np.nanargmax(bits))
    around = "".join(explanation.characters[max(0, at - 20) : at + 1])
    guess, guesses = explanation.guesses[at][0], round(float(bits[at]), 1)
    facts = (best, means, float(bits[1:].mean()), lags, around, guesses, guess)
    print(example, *facts, sep="\n", file=sys.stderr)


def table(results: Data) -> str:
    """The three best units of the first value, and the best one of every other."""
    lines = ["| tracks | unit | score | sign | untrained network |", "| --- | --- | --- | --- | --- |"]
    seen: dict[str, int] = {}
    for row in results["ranking"]:
        tracks = row["tracks"]
        seen[tracks] = seen.get(tracks, 0) + 1
        if seen[tracks] <= (3 if len({*seen}) == 1 else 1):
            untrained = f"{results['untrained'][tracks]:.2f}" if seen[tracks] == 1 else ""
            sign = "+" if row["sign"] > 0 else "-"
            lines.append(f"| {tracks} | {row['unit']} | {row['score']:.2f} | {sign} | {untrained} |")
    return "\n".join(lines)


PLACES = {
    ("docs/explain.md", "explain brackets"): lambda results: table(results["brackets"]),
    ("docs/explain.md", "explain code"): lambda results: table(results["code"]),
}
