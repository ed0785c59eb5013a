"""What must come out of each page of docs/recipes, on any machine."""

from __future__ import annotations

import re
from pathlib import Path

from recipes import Recipe

FABLES = ("checkpoints/fables.npz",)


def number(pattern: str, text: str) -> float:
    """Return the only figure that a pattern's group matches in a text."""
    (found,) = re.findall(pattern, text)
    return float(found)


def shakespeare(outs: list[str], folder: Path) -> None:
    _, scene, epochs, scores, words = outs
    assert "\nROMEO:\n" in scene and len(scene) > 300
    assert number(r"epoch  7  (\S+) nats", epochs) < number(r"epoch  1  (\S+) nats", epochs)
    assert number(r"learned.txt (\S+)", scores) < number(r"unseen.txt (\S+)", scores) < 1.50
    known = [float(share) for share in re.findall(r": (\S+) % of", words)]
    assert known == sorted(known, reverse=True) and known[0] > 95 and len(known) == 4


def arithmetic(outs: list[str], folder: Path) -> None:
    assert outs[0].strip() == "68"
    assert number(r"right, (\S+) %", outs[1]) >= 95


def names(outs: list[str], folder: Path) -> None:
    known = set((folder / "corpora" / "names.txt").read_text().splitlines())
    new = outs[1].split()
    assert len({*new}) == len(new) == 30 and known.isdisjoint(new)
    assert len(re.findall(r"^\d+\.\d+\t\d+\t0\t[A-Za-z]+$", outs[2], re.MULTILINE)) == 6
    order = [line.split("\t")[3] for line in outs[3].splitlines()]
    assert order.index("Maria") < order.index("Kowalski") < order.index("Qwzxy") == 4


def translation(outs: list[str], folder: Path) -> None:
    assert len((folder / "numbers.txt").read_text(encoding="utf-8").splitlines()) == 30000
    assert outs[0].count("\t") == outs[0].count("\n") == 3
    assert re.fullmatch(r"[a-zé -]+", outs[2].rstrip("\n"))
    assert number(r"right, (\S+) %", outs[3]) >= 90


def code(outs: list[str], folder: Path) -> None:
    assert re.search(r"^    def \w", outs[2], re.MULTILINE) and outs[2].isascii()
    bits = {name: float(figure) for figure, name in re.findall(r"^(\S+) (.+)$", outs[3], re.MULTILINE)}
    assert len(bits) == 6 and bits["charrnn --dynamic"] < bits["charrnn"] - 0.1 < 1.9
    assert bits["xz -9, after the rest"] < bits["xz -9, alone"] < 3


def figures(name: str, text: str) -> list[float]:
    """Return the figures with this name in the output of `charrnn eval`."""
    return [float(found) for found in re.findall(rf"{name} per character +([\d.]+)", text)]


def fine_tuning(outs: list[str], folder: Path) -> None:
    scratch, tuned = (float(line.split()[0]) for line in outs[1].splitlines())
    assert 1.0 < tuned < scratch - 0.05
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
    piped, samples, seeds, primes, table, moral, odd, codes, several = outs
    assert [line[:5] for line in primes.splitlines()] == ["The o", "A fox", "One e"]
    assert table.splitlines() == [f"{a}+{a + 5}={2 * a + 5}" for a in range(10, 40, 7)]
    assert piped.split() == ["piped.jsonl", "piped.last.npz", "piped.npz"]
    assert len(re.findall(r"^The \w*$", samples, re.M)) >= 3 and "\nThe old king" in samples
    first, again, other = seeds.splitlines()
    assert first == again != other
    assert moral.startswith("Moral: ") and moral.count("\n") == 1
    assert "passwd" in odd and "out of memory" in odd
    assert "exit code 1: " in codes and "exit code 2: " in codes
    assert re.findall(r"(\d+) sample-(\d).txt", several) == [("500", str(seed)) for seed in range(1, 5)]


def many_machines(outs: list[str], folder: Path) -> None:
    title, *rows = (line.split() for line in outs[1].splitlines())
    losses = [float(row[0]) for row in rows]
    assert title[0] == "best" and title[-3:] == ["hidden_size", "seed", "log"]
    assert len(rows) == 4 and losses == sorted(losses) and losses[0] < 3.0
    assert all("epochs" in row for row in rows)
    assert outs[2].endswith('"reason": "epochs"\nsame bits: True\n')


def classification(outs: list[str], folder: Path) -> None:
    shares = [float(share) for share in re.findall(r"([\d.]+) %", outs[1])]
    assert len(shares) == 2 and min(shares) > 80 and sum(shares) > 175


CHECKS = {
    "shakespeare": Recipe(shakespeare, 420, needs=("shakespeare.txt",)),
    "arithmetic": Recipe(arithmetic, 4, short=True, exact=True, needs=("checkpoints/sums.npz",)),
    "names": Recipe(names, 6, short=True, exact=True),
    "translation": Recipe(translation, 30),
    "code": Recipe(code, 360),
    "fine-tuning": Recipe(fine_tuning, 35, needs=FABLES),
    "dynamic-evaluation": Recipe(dynamic_evaluation, 20, needs=FABLES),
    "pipelines": Recipe(pipelines, 15, short=True, exact=True, needs=FABLES),
    "many-machines": Recipe(many_machines, 15),
    "classification": Recipe(classification, 25),
}
