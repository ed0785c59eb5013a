"""The one family of expected failures: each says what was wrong, with the value, and the remedy."""

from __future__ import annotations


class CharrnnError(Exception):
    """Something a user can mend.  `remedy` says how; the command line prints both and exits with `code`."""

    code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}; {remedy}" if remedy else problem)
        self.problem, self.remedy = problem, remedy


class UsageError(CharrnnError):
    """An option or argument that cannot be."""

    code = 2


class TextError(CharrnnError):
    """A text that cannot be read, decoded, encoded or cut as asked."""


class UnknownCharacterError(TextError):
    """A character that the vocabulary lacks."""


class CheckpointError(CharrnnError):
    """A file that is no checkpoint, or one that could not be written."""


class DivergedError(CharrnnError):
    """Training left the finite numbers."""

    code = 3
