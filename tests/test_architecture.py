"""The house's order: imports go one way, each library has its room, and a cell is one file."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import charrnn

PACKAGE = Path(charrnn.__file__).parent
# A file imports only from files named before it; a folder's files may import each other
ROWS = [
    *("errors", "config", "ranks", "atomic", "escape", "text", "events"),
    *("kernels", "cells"),
    *("corpus", "schedule", "npz", "lock", "progress", "meta"),
    *(
        "parameters",
        "network",
        "parallel",
        "optimize",
        "evaluation",
        "dynamic",
        "checkpoint",
        "finetune",
        "gradcheck",
        "lag",
        "features",
        "watch",
        "explain",
    ),
    *("sampling", "scoring", "run_files", "fresh", "plan", "training", "benchmark_torch", "benchmark"),
    *("explain_data", "explain_page"),
    *("api", "curves", "plot"),
    *("cli", "__main__"),
]
LIBRARIES = {
    "numba": ("kernels/", "cells/"),
    "llvmlite": ("kernels/jit.py", "kernels/tile.py"),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "matplotlib": ("plot.py",),
    "mpi4py": ("ranks.py",),
}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def tree(file: str) -> ast.Module:
    return ast.parse((PACKAGE / file).read_text(encoding="utf-8"))


def room(file: str) -> str:
    """The row of ROWS that a file belongs to."""
    return file.split("/")[0].removesuffix(".py")


def imports(file: str) -> Iterator[str]:
    """Every imported module, also inside functions; the package's own as charrnn.ROOM..."""
    here = ["charrnn", *Path(file).with_suffix("").parts]
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else []
            module = [*base, *(node.module or "").split(".")] if node.module else base
            yield from (".".join([*module, alias.name]) for alias in node.names)


def own(file: str) -> set[str]:
    """The rooms that a file imports from, but its own."""
    rooms = {parts[1] for name in imports(file) if (parts := name.split("."))[0] == "charrnn"}
    return {name for name in rooms if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()} - {
        room(file)
    }


@pytest.mark.parametrize("file", FILES)
def test_imports_go_one_way(file):
    if file == "__init__.py":
        assert own(file) <= {"api"}, "importing the package must load nothing, but on demand"
        return
    assert room(file) in ROWS, f"{file} is new: give it its place in ROWS"
    above = ROWS[: ROWS.index(room(file))]
    assert own(file) <= set(above), f"{file} imports what comes after it"


@pytest.mark.parametrize("file", FILES)
def test_each_library_stays_in_its_room(file):
    for name in {name.split(".")[0] for name in imports(file)} & LIBRARIES.keys():
        assert file.startswith(LIBRARIES[name]), f"{file} imports {name}"


def test_the_parser_of_imports_sees_them():
    """What the tests above rest on."""
    assert own("parameters.py") == {"cells", "config", "kernels"}
    assert own("cells/__init__.py") == {"errors"}
    assert {"config", "training"} <= own("cli/run.py")  # at the top, and inside a function
    assert any(name.startswith("llvmlite") for name in imports("kernels/tile.py"))


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith("cli/")])
def test_what_is_public_has_a_docstring(file):
    """A cell's forward and backward are described once, in kernels/cell.py."""
    module = tree(file)
    public = [
        node
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    bare = [node.name for node in public if not ast.get_docstring(node)]
    if file.startswith("cells/") and file != "cells/__init__.py":
        kind = Path(file).stem.title().replace("_", "")
        bare = [name for name in bare if name not in ("forward", "backward", kind)]
    assert not bare, f"{file}: no docstring: {', '.join(bare)}"
    assert ast.get_docstring(module) or file == "__main__.py"


def python(code: str, folder: Path = PACKAGE.parent) -> str:
    """What an interpreter that finds the package in `folder` prints."""
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_command_line_starts_without_the_heavy_libraries():
    heavy = ("numba", "numpy", "llvmlite", "rich", "torch", "matplotlib", "mpi4py")
    code = f"import sys, charrnn.cli.main; print([m for m in {heavy} if m in sys.modules])"
    assert python(code) == "[]"


def test_a_cell_is_one_file(tmp_path):
    """Dropped into the folder, it has a name, a CELL and a place in the error for a wrong name."""
    shutil.copytree(PACKAGE, tmp_path / "charrnn", ignore=shutil.ignore_patterns("__pycache__"))
    source = (PACKAGE / "cells" / "rnn.py").read_text(encoding="utf-8")
    (tmp_path / "charrnn" / "cells" / "novel.py").write_text(source.replace("Rnn", "Novel"), encoding="utf-8")
    code = """
from charrnn import cells
from charrnn.config import ModelConfig
from charrnn.errors import UsageError
from charrnn.parameters import Layout
print(cells.__file__)
print(*cells.names())
print(type(cells.find("novel")).__module__, Layout(ModelConfig("novel", 3), 5).size)
try:
    cells.find("other")
except UsageError as error:
    print(error)
"""
    file, names, found, error = python(code, tmp_path).splitlines()
    assert Path(file).is_relative_to(tmp_path)
    assert set(names.split()) == {*charrnn_cells(), "novel"}
    assert found == f"charrnn.cells.novel {5 * 3 + 3 * 3 + 3 + 5 * 3 + 5}"
    assert "'other'" in error and "novel" in error


def charrnn_cells() -> list[str]:
    return [
        Path(file).stem for file in FILES if file.startswith("cells/") and not file.endswith("__init__.py")
    ]
