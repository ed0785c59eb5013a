"""A cell is one file that ends in CELL: what it must offer is checked when it is found, with its place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import plain
import pytest
from plain import Edit

import charrnn
from charrnn import cells
from charrnn.errors import CellError
from charrnn.kernels.cell_interface import Cell

NOVEL = Path(__file__).parent / "minimal_gated_unit.py"  # a cell that the package does not have
PACKAGE = Path(charrnn.__file__).parent


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package with one cell more."""
    shutil.copytree(PACKAGE, tmp_path / "charrnn", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(NOVEL, tmp_path / "charrnn" / "cells" / "novel.py")
    return tmp_path


def checked(package: plain.Package, cell: str, **config: Any) -> list[Any]:
    """The gradient check's rows."""
    made = package("config")
    model = made.ModelConfig(cell, 2, **{"dropout": 0.0, "dtype": "float64"} | config)
    sizes = made.GradcheckConfig(vocab_size=3, seq_len=3, batch_size=2)
    return [*package("inspection.gradcheck").check(model, sizes)]


@pytest.mark.parametrize("config", [{"num_layers": 2}, {"embed_size": 2, "attention": 2}], ids=str)
def test_a_file_dropped_into_the_folder_is_a_cell(monkeypatch, tmp_path, house, config):
    monkeypatch.setattr(plain, "SOURCE", house / "charrnn")
    with plain.package(tmp_path / "plain") as package:
        assert "novel" in package("cells").names()
        assert all(row.passed for row in checked(package, "novel", **config))


def test_the_order_of_blocks_is_the_cells_own(tmp_path):
    """An lstm whose first input block is not 0: the output layer has a block of its own."""
    edits = [
        Edit("cells/lstm.py", 'blocks=("i", "f", "g", "o", "q")', 'blocks=("f", "i", "g", "o", "q")'),
        Edit("cells/lstm.py", "i, f, g, o, q = a[0, t], a[1, t],", "i, f, g, o, q = a[1, t], a[0, t],", 2),
    ]
    with plain.package(tmp_path, edits) as package:
        assert package("cells").find("lstm").input_blocks == (1, 0, 2, 3)
        rows = checked(package, "lstm", num_layers=2, attention=2)
    assert len(rows) > 10 and all(row.passed for row in rows)


COMPILE = """
import numpy as np
from charrnn import cells, errors
from numba import njit

@njit
def both(cell, a, s, ds):
    cell.forward(a, s, 0)
    cell.backward(a, s, 0, ds)

try:
    both(cells.find("novel"), np.zeros((3, 1, 4)), np.zeros((1, 2, 4)), np.zeros((1, 4)))
except errors.CellError as error:
    print(error)
"""
FIND = """
from charrnn import cells, errors
try:
    cells.find("novel")
except errors.CellError as error:
    print(error)
"""
END = 'states=("h",),'
WRONG = [
    ('blocks=("f", "n", "m")', 'blocks=("f", "n")', ["recurrent has 'm'", "its blocks: f, n"]),
    ('input=("f", "n")', 'input=("f",)', ["input has 1 blocks, recurrent 2"]),
    ('blocks=("f", "n", "m")', 'blocks=("f", "n", "q", "m")', ["m, q", "first"]),
    ('blocks=("f", "n", "m")', 'blocks=("f", "n", "m", "n")', ["blocks has a name twice"]),
    ('gates=("f",)', 'gates=("z",)', ["gates has 'z'"]),
    (END, 'states="h",', ["states is 'h'", "tuple"]),
    (END, "states=(),", ["0 states"]),
    ("def forward(a, s, t)", "def forward(a, s, t, more)", ["forward takes 4 arguments", "3"]),
    ("@jit\ndef backward", "def backward", ["backward is not compiled", "@jit"]),
    ("name=__name__", 'name="charrnn.cells.gru"', ["calls its cell 'charrnn.cells.gru'"]),
    ('blocks=("f", "n", "m")', 'blocks=("f", "n", "m", "h")', ["h is a block and a state"]),
    ("CELL = Cell(", "KELL = Cell(", ["has no CELL"]),
    ("@jit\ndef forward", "@jitt\ndef forward", ["line 16", "NameError", "jitt"]),
    ("def backward(a", "def backward(a a", ["line 30", "SyntaxError"]),
]


@pytest.mark.parametrize("old, new, words", WRONG, ids=[new for _, new, _ in WRONG])
def test_what_is_no_cell_is_said_with_its_file(house, old, new, words):
    plain.change(house / "charrnn", Edit("cells/novel.py", old, new))
    said = python(house, "-c", FIND).stdout
    assert said.startswith("charrnn/cells/novel.py") and said.count("\n") == 1
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "old, new, line, words",
    [
        ("tanh(n)", "tanhh(n)", 24, "forward does not compile: NameError: name 'tanhh'"),
        (
            "one = a.dtype.type(1)\n    sigmoid",
            "one = a[3, t]\n    sigmoid",
            20,
            "one = a[3, t]: forward uses a block",
        ),
        (
            "h_prev, dh = s[0, t], ds[0]",
            "h_prev, dh = s[0, t], ds[1]",
            32,
            "h_prev, dh = s[0, t], ds[1]: backward",
        ),
        (
            "tanh(n)",
            "for b in range(4):\n        tanh(a[b, t])",
            25,
            "tanh(a[b, t])  # (3): forward uses a block",
        ),
        ("+ f[k] * n[k]", '+ "n"', 26, "forward does not compile: No implementation"),
        ("*= one - f_k", "*= one - f_k.part", 41, "backward does not compile: Unknown attribute 'part'"),
    ],
)
def test_a_cell_that_does_not_compile_is_told_in_two_lines(house, old, new, line, words):
    plain.change(house / "charrnn", Edit("cells/novel.py", old, new))
    said = python(house, "-c", COMPILE).stdout
    assert said.count("\n") <= 2
    assert f"charrnn/cells/novel.py, line {line}: {words}" in said


def test_the_command_tells_it_too(house):
    plain.change(house / "charrnn", Edit("cells/novel.py", "tanh(n)", "tanhh(n)"))
    done = python(house, "-m", "charrnn", "gradcheck", "--cell", "novel", "-q")
    assert done.returncode == 1 and done.stderr.count("\n") <= 2, done.stderr
    assert "charrnn/cells/novel.py, line 24: forward does not compile" in done.stderr


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """An interpreter that finds the package in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.mark.parametrize("name", cells.names())
def test_a_cell_names_what_it_has(name):
    cell = cells.find(name)
    assert isinstance(cell, Cell) and cell.name == f"charrnn.cells.{name}"
    assert cell.states[0] == "h" and {*cell.gates} <= {*cell.blocks}
    assert [cell.blocks[block] for block in cell.input_blocks] == [*cell.input]


def test_two_cells_of_one_name_are_one_type_for_numba():
    """By the name of its module, so that what is compiled for one is not taken for another."""
    gru, lstm = cells.find("gru"), cells.find("lstm")
    assert gru._numba_type_ != lstm._numba_type_ and gru._numba_type_ == type(gru._numba_type_)(gru.name)


def test_an_error_shows_the_value():
    def forward(a: Any, s: Any, t: Any) -> None: ...
    def backward(a: Any, s: Any, t: Any, ds: Any) -> None: ...

    with pytest.raises(CellError, match=r"odd/cell\.py: blocks is \['a'\]; write a tuple"):
        Cell("odd.cell", ["a"], ("a",), ("a",), ("h",), forward, backward)  # type: ignore[arg-type]
