"""Expected errors: each message says what is wrong, with the value, and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

FIELD = re.compile(r"\0(\w+)(?:=([^\0]+))?\0")


class ExitCode(IntEnum):
    """The exit codes of commands; after a signal, 128 plus its number."""

    DONE = 0
    FAILED = 1  # a bad file or text, a full disk
    USAGE = 2  # an invalid option or argument
    DIVERGED = 3  # the training loss or the weights became infinite or NaN
    WRONG = 4  # a check of the arithmetic failed
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class CharrnnError(Exception):
    """An error that the user can fix; its message ends with the remedy.

    Messages name fields with `field`: str() spells them as in Python, `spelled` in another way.
    """

    code = ExitCode.FAILED

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self._problem, self._remedy = problem, remedy

    def __str__(self) -> str:
        return self.spelled(in_python)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def spelled(self, spell: Callable[[str, str], str]) -> str:
        """Return the message in one line, with fields spelled by `spell` (name, value or empty)."""
        line = f"{self._problem}; {self._remedy}" if self._remedy else self._problem
        return spelled(line, spell)


def field(name: str, value: str = "") -> str:
    """Mark the name of a field or parameter in a message.  value: what to set it to."""
    return f"\0{name}={value}\0" if value else f"\0{name}\0"


def spelled(text: str, spell: Callable[[str, str], str]) -> str:
    """Return a text in which `spell` spells each field by its name and value."""
    return FIELD.sub(lambda found: spell(found[1], found[2] or ""), text)


def in_python(name: str, value: str) -> str:
    """Spell a field as a keyword argument: `top_k`, `batch_size=2`, `unknown="skip"`, `resume=True`."""
    if not value:
        return name
    plain = value in ("True", "False") or re.fullmatch(r"[\d.]+", value)
    return f"{name}={value}" if plain else f'{name}="{value}"'


class UsageError(CharrnnError):
    """An invalid field, option or argument."""

    code = ExitCode.USAGE


class TextError(CharrnnError):
    """A text that cannot be read, decoded, encoded or split as requested."""


class LogError(TextError):
    """A file that is not the log of a training run, or a log without any losses yet."""


class CellError(CharrnnError):
    """A file in charrnn/cells that does not define a cell, or does not compile."""


class CheckpointError(CharrnnError):
    """A file that is not a checkpoint, or a checkpoint that cannot be written."""


class OverflowingModelError(CharrnnError):
    """A model with finite weights whose output is not finite."""

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        clip = f"a lower {field('lr')} or {field('clip_norm')}"
        remedy = remedy or f"its weights are too large: train it again with {clip}"
        super().__init__(f"the model overflows at {where}: {what} is not finite", remedy)


class DivergedError(CharrnnError):
    """Training in which the loss or the weights became infinite or NaN."""

    code = ExitCode.DIVERGED
