"""The one family of expected failures: each says what was wrong, with the value, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

FIELD = re.compile(r"\0(\w+)(?:=([^\0]+))?\0")


class ExitCode(IntEnum):
    """How a command ends; one that a signal ended has 128 more than the signal's number."""

    DONE = 0
    FAILED = 1  # a bad file or text, a full disk
    USAGE = 2  # an option or argument that cannot be
    DIVERGED = 3  # training left the finite numbers
    WRONG = 4  # a check of the arithmetic failed
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class CharrnnError(Exception):
    """Something a user can mend; its text ends in the remedy.

    Texts name fields by `field`: str() shows them as Python spells them, `spelled` as another does.
    """

    code = ExitCode.FAILED

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self._problem, self._remedy = problem, remedy

    def __str__(self) -> str:
        return self.spelled(lambda name, value: f"{name}={value}" if value else name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def spelled(self, spell: Callable[[str, str], str]) -> str:
        """One line, with fields as `spell` writes a name and a value, which is mostly empty."""
        line = f"{self._problem}; {self._remedy}" if self._remedy else self._problem
        return spelled(line, spell)


def field(name: str, value: str = "") -> str:
    """A field of a configuration, or a parameter, in an error's text; value: what it should be set to."""
    return f"\0{name}={value}\0" if value else f"\0{name}\0"


def spelled(text: str, spell: Callable[[str, str], str]) -> str:
    """A text with its fields as `spell` writes a name and a value."""
    return FIELD.sub(lambda found: spell(found[1], found[2] or ""), text)


class UsageError(CharrnnError):
    """A field, option or argument that cannot be."""

    code = ExitCode.USAGE


class TextError(CharrnnError):
    """A text that cannot be read, decoded, encoded or cut as asked."""


class LogError(TextError):
    """A file that is no log of a training run, or has nothing of one yet."""


class CellError(CharrnnError):
    """A file of charrnn/cells that is no cell, or does not compile."""


class CheckpointError(CharrnnError):
    """A file that is no checkpoint, or one that could not be written."""


class OverflowingModelError(CharrnnError):
    """A model whose weights are finite, and what it makes of them is not."""

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        clip = f"a lower {field('lr')} or {field('clip_norm')}"
        remedy = remedy or f"its weights are too large: train it again, with {clip}"
        super().__init__(f"the model overflows at {where}: {what} is not finite", remedy)


class DivergedError(CharrnnError):
    """Training left the finite numbers."""

    code = ExitCode.DIVERGED
