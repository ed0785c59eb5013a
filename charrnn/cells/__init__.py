"""Find cells by name: the file NAME.py in this folder defines the cell NAME."""

from __future__ import annotations

import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CellError, CharrnnError, UsageError

if TYPE_CHECKING:
    from ..kernels.cell_interface import Cell


def names() -> list[str]:
    """Return the names of all cells, without importing or compiling any."""
    return sorted(p.stem for p in Path(__file__).parent.glob("[!_]*.py"))


def find(name: str) -> Cell:
    """Return the `CELL` of the file NAME.py (see kernels/cell_interface.py).

    Errors: UsageError if there is no such file; CellError if it does not define a valid cell.
    """
    if name not in names():
        raise UsageError(f"there is no cell {name!r}", remedy=f"choose one of: {', '.join(names())}")
    try:
        module = import_module(f".{name}", __name__)
    except CharrnnError:
        raise
    except Exception as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise CellError(f"{_place(name, error)}: {type(error).__name__}: {said}", "fix the file") from error
    from ..kernels.cell_interface import Cell  # this import loads Numba

    cell = getattr(module, "CELL", None)
    if not isinstance(cell, Cell):
        raise CellError(
            f"charrnn/cells/{name}.py has no CELL", "end it with CELL = Cell(...), like the other cells"
        )
    if cell.name != module.__name__:
        raise CellError(f"charrnn/cells/{name}.py calls its cell {cell.name!r}", "write name=__name__")
    return cell


def _place(name: str, error: Exception) -> str:
    """Return the file and line of an error in a cell's file."""
    file = f"{name}.py"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(file)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    return f"charrnn/cells/{file}, line {line}" if line else f"charrnn/cells/{file}"
