"""The path that stands for stdin or stdout."""

from __future__ import annotations

from pathlib import Path

STDIO = Path("-")


def name_of(path: Path, stream: str = "stdin") -> str:
    """Return the name of a file for messages."""
    return stream if path == STDIO else str(path)
