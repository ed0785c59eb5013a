"""The cells, found by name: a file NAME.py in this folder is the cell NAME."""

from __future__ import annotations

import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CellError, CharrnnError, UsageError

if TYPE_CHECKING:
    from ..kernels.cell_interface import Cell


def names() -> list[str]:
    """The cells there are, without importing (and so without compiling) any."""
    return sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py"))


def find(name: str) -> Cell:
    """The `CELL` of the file NAME.py (see kernels/cell_interface.py).

    Errors: UsageError if there is no such file; CellError if it is not what a cell must be.
    """
    if name not in names():
        raise UsageError(f"no cell is called {name!r}", remedy=f"choose one of: {', '.join(names())}")
    try:
        module = import_module(f".{name}", __name__)
    except CharrnnError:
        raise
    except Exception as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise CellError(f"{_place(name, error)}: {type(error).__name__}: {said}", "mend the file") from error
    from ..kernels.cell_interface import Cell  # Numba comes with it, and with any cell

    cell = getattr(module, "CELL", None)
    if not isinstance(cell, Cell):
        raise CellError(
            f"charrnn/cells/{name}.py has no CELL", "end it in CELL = Cell(...), as other cells do"
        )
    if cell.name != module.__name__:
        raise CellError(f"charrnn/cells/{name}.py calls its cell {cell.name!r}", "write name=__name__")
    return cell


def _place(name: str, error: Exception) -> str:
    """File and line of an error within a cell's file."""
    file = f"{name}.py"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(file)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    return f"charrnn/cells/{file}, line {line}" if line else f"charrnn/cells/{file}"
