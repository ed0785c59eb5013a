"""What must come out of more recipes of docs/recipes, on any machine."""

from __future__ import annotations

import re
from pathlib import Path


def figures(name: str, text: str) -> list[float]:
    """Those that `charrnn eval` shows of a name."""
    return [float(found) for found in re.findall(rf"{name} per character +([\d.]+)", text)]


def fine_tuning(outs: list[str], folder: Path) -> None:
    scratch, tuned = (float(line.split()[0]) for line in outs[1].splitlines())
    assert 1.0 < tuned < scratch - 0.2
    assert "that the model lacks: '%'" in outs[2] and "exit code 1" in outs[2]
    assert not (folder / "refused.npz").exists()
    before, misread = figures("nats", outs[3])
    (after,) = figures("nats", outs[4])
    assert before < 1.6 and before + 0.1 < after < misread - 2


def dynamic_evaluation(outs: list[str], folder: Path) -> None:
    static, default = figures("bits", outs[0])
    assert 1.5 < default < static - 0.4 and "the same file" in outs[0]
    slow, faster, fables_slow, fables_fast = figures("bits", outs[1])
    assert faster < slow - 0.2 and fables_slow < fables_fast - 0.02
    (shuffled,) = figures("bits", outs[2])
    assert faster < shuffled < static


def pipelines(outs: list[str], folder: Path) -> None:
    piped, samples, seeds, moral, odd, codes, several = outs
    assert piped.split() == ["piped.jsonl", "piped.last.npz", "piped.npz"]
    assert len(re.findall(r"^The \w*$", samples, re.M)) == 3 and "\nThe old king" in samples
    first, again, other = seeds.splitlines()
    assert first == again != other
    assert moral.startswith("Moral: ") and moral.count("\n") == 1
    assert "passwd" in odd and "out of memory" in odd
    assert "exit code 1: " in codes and "exit code 2: " in codes
    assert re.findall(r"(\d+) sample-(\d).txt", several) == [("500", str(seed)) for seed in range(1, 5)]


def many_machines(outs: list[str], folder: Path) -> None:
    title, *rows = outs[1].splitlines()
    losses = [float(row.split()[0]) for row in rows]
    assert title.startswith("val loss") and len(rows) == 4 and losses == sorted(losses)
    assert all(row.endswith("epochs") for row in rows) and losses[0] < 3.0
    assert outs[2].endswith('"reason": "epochs"\nsame bits: True\n')


def classification(outs: list[str], folder: Path) -> None:
    shares = [float(share) for share in re.findall(r"([\d.]+) %", outs[1])]
    assert len(shares) == 2 and min(shares) > 80 and sum(shares) > 175


CHECKS = {
    "fine-tuning": (fine_tuning, 35, False),
    "dynamic-evaluation": (dynamic_evaluation, 20, False),
    "pipelines": (pipelines, 15, True),
    "many-machines": (many_machines, 15, True),
    "classification": (classification, 25, False),
}
