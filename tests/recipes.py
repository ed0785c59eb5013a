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
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)  # language, what it holds
VARIABLES = {"cell": "gru"}  # of loops in scripts; others are numbers


def _value(variable: re.Match[str]) -> str:
    return VARIABLES.get(variable[1], "1")


@dataclass(frozen=True)
class Recipe:
    """How a page is checked.

    `check` takes the blocks' stdout and the folder; `seconds` on two free cores; a short one runs in every
    suite; an exact one prints what its page shows, character for character; `needs` are files of the folder
    without which the page cannot run.
    """

    check: Callable[[list[str], Path], None]
    seconds: int
    short: bool = False
    exact: bool = False
    needs: tuple[str, ...] = ()


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced blocks of a page in one of these languages; "" has no name."""
    fenced = FENCE.findall(text)
    return [block for language, block in fenced if language in languages]


def printed(text: str) -> list[str | None]:
    """Return the output that a page shows after each ```sh block, or None."""
    fenced = FENCE.findall(text)
    following = [*fenced[1:], ("end", "")]
    return [
        shown if after == "" else None
        for (language, _), (after, shown) in zip(fenced, following, strict=True)
        if language == "sh"
    ]


def ended(out: str) -> str:
    """Return output as on a page: the last line ends with a newline."""
    return out if not out or out.endswith("\n") else f"{out}\n"


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
                yield [re.sub(r"\$(\w+|\{.*?\})", _value, word) for word in words[1:]]
            words = []
        else:
            words.append(token)
