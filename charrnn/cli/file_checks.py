"""Checks of the files named on the command line: `-` is stdin, and only --force overwrites a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..checkpoint.names import RunNames
from ..errors import CharrnnError, UsageError, field
from ..system.stdio import STDIO


def seconds(text: str) -> float:
    """Return a duration such as 90, 90s, 10m or 2h in seconds.  Errors: UsageError."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        return float(number) * unit
    except ValueError:
        raise UsageError(f"{field('max_time')} is {text!r}", "write it like 90s, 10m or 2h") from None


def refuse_to_read_stdin_twice(inputs: Sequence[Path]) -> None:
    """Raise a UsageError if more than one input is stdin."""
    if [*inputs].count(STDIO) > 1:
        raise UsageError("stdin (-) is named twice", "it can be read only once: put one text into a file")


def refuse_folder(path: Path, option: str = "--out") -> None:
    """Raise a UsageError if an output is a folder."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder", f"name a file with {option}")


def refuse_to_overwrite(names: RunNames, log: Path, inputs: Sequence[Path], force: bool) -> None:
    """Raise a UsageError if a run would overwrite its inputs or, without `force`, older results."""
    logs = [(log, "--log")] if log != STDIO else []
    checkpoints = [(names.best, "--out"), (names.last, "--out")]
    for path, option in [*checkpoints, *logs]:
        refuse_folder(path, option)
    if any(same(log, path) for path, _ in checkpoints):
        raise UsageError(f"{log} would be both checkpoint and log", "choose another --out or --log")
    for path, option in [*checkpoints, *logs]:
        if any(same(path, read) for read in inputs):
            raise UsageError(f"{path} is read by this run", f"choose another {option}")
        if path.is_file() and not force:
            raise UsageError(
                f"{path} exists",
                f"choose another {option}, or add --resume to continue that run, or --force to overwrite it",
            )
    for path, _ in checkpoints:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file", "choose another --out")


def same(a: Path, b: Path) -> bool:
    """Return whether two paths name the same file, which need not exist yet."""
    return a.resolve() == b.resolve() or (a.exists() and b.exists() and a.samefile(b))


def refuse_output(out: Path, inputs: Sequence[Path], force: bool, option: str = "--out") -> None:
    """Raise a UsageError if a result would overwrite an input or, without `force`, an existing file."""
    refuse_folder(out, option)
    if out.exists() and not out.is_file():
        raise UsageError(f"{out} is not a regular file", f"choose another {option}")
    if any(same(out, read) for read in inputs):
        raise UsageError(f"{out} is read by this command", f"choose another {option}")
    if out.exists() and not force:
        raise UsageError(f"{out} exists", f"choose another {option}, or add --force to overwrite it")


def make_folder(folder: Path, options: str = "--out or --log") -> None:
    """Make an output folder, and check that it can be written before any work.  Errors: CharrnnError."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise CharrnnError(
            f"{folder} cannot be written: {error.strerror}", f"choose another {options}"
        ) from None
