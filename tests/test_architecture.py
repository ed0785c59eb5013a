"""The house's order: imports go one way, each library has its room, and a cell is one file."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import charrnn

PACKAGE = Path(charrnn.__file__).parent
# Who may import whom: a file imports from the layers before its own, and from its own without a circle.
# A layer is a file, a package, or two packages that belong together.
LAYERS = [
    ("version",),
    ("errors",),
    ("array_types",),
    ("system",),
    ("kernels", "cells"),
    ("config",),
    ("text",),
    ("model",),
    ("parallel",),
    ("checkpoint",),
    ("exchange",),
    ("scoring",),
    ("sampling",),
    ("training",),
    ("inspection",),
    ("plotting",),
    ("bench",),
    ("api",),
    ("cli",),
    ("run",),
    ("__main__",),
]
LAYER_OF = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
LIBRARIES = {
    "numba": ("kernels/",),
    "llvmlite": tuple(
        f"kernels/{name}.py" for name in ("compiler", "cache", "emit", "sums", "tile", "amx", "lanes")
    ),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "matplotlib": ("plotting/picture.py",),
    "mpi4py": ("parallel/ranks.py",),
    "onnx": ("exchange/onnx_graph.py",),
    "safetensors": ("exchange/safetensors_file.py",),
}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def tree(file: str) -> ast.Module:
    return ast.parse((PACKAGE / file).read_text(encoding="utf-8"))


def room(file: str) -> str:
    """The package, or the file at the top, that a file belongs to."""
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
    """The package's files that a file imports, at its top or inside a function."""
    found = set()
    for name in imports(file):
        parts = name.split(".")
        for end in range(len(parts), 1, -1) if parts[0] == "charrnn" else ():
            path = "/".join(parts[1:end])
            if {f"{path}.py", f"{path}/__init__.py"} & {*FILES}:
                found.add(f"{path}.py" if f"{path}.py" in FILES else f"{path}/__init__.py")
                break
    return found - {file}


@pytest.mark.parametrize("file", FILES)
def test_imports_go_one_way(file):
    if file == "__init__.py":
        assert own(file) <= {"api.py", "run.py", "version.py"}, (
            "importing the package must load nothing, but on demand"
        )
        return
    assert room(file) in LAYER_OF, f"{file} is new: give it its place in LAYERS"
    for other in own(file):
        assert LAYER_OF[room(other)] <= LAYER_OF[room(file)], f"{file} imports {other}, which comes after it"


def test_every_layer_is_there():
    assert LAYER_OF.keys() == {room(file) for file in FILES} - {"__init__"}


def test_no_files_import_each_other_in_a_circle():
    """A circle is named by its files."""
    ordered = [*TopologicalSorter({file: own(file) for file in FILES}).static_order()]
    assert sorted(ordered) == FILES


def test_a_circle_is_noticed():
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).prepare()


@pytest.mark.parametrize("file", FILES)
def test_each_library_stays_in_its_room(file):
    for name in {name.split(".")[0] for name in imports(file)} & LIBRARIES.keys():
        assert file.startswith(LIBRARIES[name]), f"{file} imports {name}"


def test_the_parser_of_imports_sees_them():
    """What the tests above rest on."""
    assert own("kernels/sample_character.py") == {
        f"kernels/{name}.py" for name in ("elementary", "jit", "model")
    }
    assert own("cells/__init__.py") == {"errors.py", "kernels/cell_interface.py"}
    assert {"training/events.py", "training/trainer.py"} <= own(
        "cli/training_run.py"
    )  # the second in a function
    assert "text/corpus.py" in own("training/setup.py")  # from ..text import corpus
    assert any(name.startswith("llvmlite") for name in imports("kernels/tile.py"))


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith("cli/")])
def test_what_is_public_has_a_docstring(file):
    """A cell's forward and backward are described once, in kernels/cell_interface.py."""
    module = tree(file)
    public = [
        node
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    bare = [node.name for node in public if not ast.get_docstring(node)]
    if file.startswith("cells/") and file != "cells/__init__.py":
        bare = [name for name in bare if name not in ("forward", "backward")]
    assert not bare, f"{file}: no docstring: {', '.join(bare)}"
    assert ast.get_docstring(module)


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
    heavy = ("filelock", "numba", "numpy", "llvmlite", "rich", "torch", "matplotlib", "mpi4py")
    code = f"import sys, charrnn.cli.main; print([m for m in {heavy} if m in sys.modules])"
    assert python(code) == "[]"


def test_a_cell_is_one_file(tmp_path):
    """Dropped into the folder, it has a name, a CELL and a place in the error for a wrong name."""
    shutil.copytree(PACKAGE, tmp_path / "charrnn", ignore=shutil.ignore_patterns("__pycache__"))
    source = (PACKAGE / "cells" / "rnn.py").read_text(encoding="utf-8")
    (tmp_path / "charrnn" / "cells" / "novel.py").write_text(source, encoding="utf-8")
    code = """
from charrnn import cells
from charrnn.config import ModelConfig
from charrnn.errors import UsageError
from charrnn.model.layout import Layout
print(cells.__file__)
print(*cells.names())
print(cells.find("novel").name, Layout(ModelConfig("novel", 3), 5).size)
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
