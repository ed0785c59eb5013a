"""The files of a command: `-` is stdin, and no file is overwritten unasked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import CharrnnError, UsageError


def seconds(text: str) -> float:
    """90, 90s, 10m or 2h in seconds.  Errors: UsageError."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        return float(number) * unit
    except ValueError:
        raise UsageError(f"--max-time is {text!r}", "write for example 90s, 10m or 2h") from None


def name_of(path: Path) -> str:
    """What to call a file in a message."""
    return "stdin" if str(path) == "-" else str(path)


def default_checkpoint(corpus: Path, cell: str) -> Path:
    """checkpoints/CORPUS-CELL.npz below the current folder."""
    stem = Path(name_of(corpus)).name.split(".")[0] or "corpus"
    return Path("checkpoints") / f"{stem}-{cell}.npz"


def refuse_to_overwrite(checkpoint: Path, log: Path, corpora: Sequence[Path], force: bool) -> None:
    """Errors: UsageError if results would replace a text, each other, or, without `force`, older ones."""
    if checkpoint == log:
        raise UsageError(f"{log} would be both checkpoint and log", "choose another --out or --log")
    for path, option in ((checkpoint, "--out"), (log, "--log")):
        if path.is_dir():
            raise UsageError(f"{path} is a folder", f"name a file with {option}")
        if any(path.exists() and corpus.exists() and path.samefile(corpus) for corpus in corpora):
            raise UsageError(f"{path} is a text to train on", f"choose another {option}")
        if path.is_file() and not force:
            raise UsageError(
                f"{path} exists", f"choose another {option}, --resume to go on, or --force to overwrite it"
            )
    if checkpoint.exists() and not checkpoint.is_file():
        raise UsageError(f"{checkpoint} is no ordinary file", "choose another --out")


def make_folder(folder: Path) -> None:
    """So that a place that cannot be written is known before the work.  Errors: CharrnnError."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise CharrnnError(
            f"{folder} cannot be written: {error.strerror}", "choose another --out or --log"
        ) from None
