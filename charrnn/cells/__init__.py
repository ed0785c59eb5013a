"""The cells, found by name: a file NAME.py in this folder is what `--cell NAME` means."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import UsageError


def names() -> list[str]:
    """The cells there are, without importing (and so without compiling) any."""
    return sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py"))


def find(name: str) -> Any:
    """The `CELL` of the file NAME.py (see kernels/cell.py).  Errors: UsageError if there is none."""
    if name not in names():
        raise UsageError(f"no cell is called {name!r}", remedy=f"choose one of: {', '.join(names())}")
    return import_module(f".{name}", __name__).CELL
