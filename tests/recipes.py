"""The recipes of docs/recipes: how a page is run, and what must come out on any machine.

A page's ```sh blocks run in order in one folder with copies of corpora/ and checkpoints/.  Figures that a
check asserts hold on any machine; those that a page shows are one machine's.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from program import environment

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "recipes"
BEFORE = {"do", "then", "else", "time", "!", "{"}  # words of the shell that a command may follow


@dataclass(frozen=True)
class Recipe:
    """How a page is checked.

    `check` takes the blocks' stdout and the folder; `seconds` on two free cores; a short one runs in every
    suite; `needs` are files of the folder without which the page cannot run.
    """

    check: Callable[[list[str], Path], None]
    seconds: int
    short: bool = False
    needs: tuple[str, ...] = ()


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced blocks of a page in one of these languages; "" has no name."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in fenced if language in languages]


def prepare(folder: Path) -> None:
    """Copies of corpora/ and checkpoints/, which a recipe may write to, and the programs under test."""
    for name in ("corpora", "checkpoints"):
        (folder / name).mkdir()
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    for name, module in (("python", ""), ("charrnn", "-m charrnn ")):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module}"$@"\n')
        program.chmod(0o755)


def run(page: Path, folder: Path) -> list[str]:
    """The stdout of each ```sh block of a page.  Errors: AssertionError with the block and its stderr."""
    path, outs = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", []
    for block in blocks(page.read_text(encoding="utf-8"), "sh"):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            env=environment(PATH=path),
        )
        assert not done.returncode, f"{page.name}: exit {done.returncode} of\n{block}\n{done.stderr}"
        outs.append(done.stdout)
    return outs


def commands(block: str) -> Iterator[list[str]]:
    """The arguments of every `charrnn ...` in a block of shell, with 1 for what a $variable holds."""
    block = re.sub(r"<<'?(\w+)'?(.*\n)(?:.*\n)*?\1$", r"\2", block, flags=re.MULTILINE)  # here-documents
    block = re.sub(r"(^|\s)#.*", r"\1", block).replace("\\\n", " ")
    shell = shlex.shlex(block, posix=True, punctuation_chars="();<>|&\n`")
    shell.whitespace, shell.commenters, shell.whitespace_split = " \t", "", True
    words: list[str] = []
    tokens = iter([*shell, "\n"])
    for token in tokens:
        if token.startswith(("<", ">", "&>")):
            if words and words[-1] in ("1", "2"):  # 2> file
                words.pop()
            next(tokens)
        elif token and set(token) <= set("();|&\n`"):
            while words and (words[0] in BEFORE or re.match(r"\w+=", words[0])):
                words.pop(0)
            if words and words[0] == "charrnn":
                yield [re.sub(r"\$(\w+|\{.*?\})", "1", word) for word in words[1:]]
            words = []
        else:
            words.append(token)


def number(pattern: str, text: str) -> float:
    """The one figure that a pattern's group finds in a text."""
    (found,) = re.findall(pattern, text)
    return float(found)


def shakespeare(outs: list[str], folder: Path) -> None:
    _, scene, epochs, scores, words = outs
    assert "\nROMEO:\n" in scene and len(scene) > 300
    assert number(r"epoch 14  (\S+) nats", epochs) < number(r"epoch  1  (\S+) nats", epochs)
    assert number(r"learned.txt (\S+)", scores) < number(r"unseen.txt (\S+)", scores) < 1.50
    known = [float(share) for share in re.findall(r": (\S+) % of", words)]
    assert known == sorted(known, reverse=True) and known[0] > 95 and len(known) == 4


def arithmetic(outs: list[str], folder: Path) -> None:
    assert outs[0].strip() == "68"
    assert number(r"right, (\S+) %", outs[1]) >= 95


def names(outs: list[str], folder: Path) -> None:
    known = set((folder / "corpora" / "names.txt").read_text().splitlines())
    new = set(outs[1].split())
    assert len(new) >= 15 and not new & known
    assert len(re.findall(r"^\d+\.\d+\t\d+\t[A-Za-z]+$", outs[2], re.MULTILINE)) == 6
    order = [line.split("\t")[2] for line in outs[3].splitlines()]
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


CHECKS = {
    "shakespeare": Recipe(shakespeare, 420, needs=("shakespeare.txt",)),
    "arithmetic": Recipe(arithmetic, 4, short=True, needs=("checkpoints/sums.npz",)),
    "names": Recipe(names, 6, short=True),
    "translation": Recipe(translation, 30),
    "code": Recipe(code, 150),
}
