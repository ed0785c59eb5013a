"""The package as plain Python: a copy of its source under another name, which runs without being compiled.

Compiling a cell's kernels takes ten seconds, so a test that changes a line of them cannot wait for Numba. In
the copy `jit` leaves functions as they are, and what only a compiler knows has a plain twin: the tiled matrix
product, sums by lanes, fused multiply-adds, and the choice of exp, sigmoid and tanh by the number's type.
All else is the source that trains, line by line, as test_mistakes.py proves against the compiled kernels.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any, NamedTuple

import charrnn

SOURCE = Path(charrnn.__file__).parent
JIT = """
def jit(function):
    function.py_func = function
    return function

instruction = choice = called = jit

def optional(kernel):
    return lambda *arguments: None if arguments[-1] is None else kernel(*arguments)
"""
MATMUL = """
def packed_size(depth, columns, itemsize, pairs=False):
    return depth * columns

def rows_of(a, buffer):
    return a

def transposed(a, buffer):
    return a.T

def pack(b, panels):
    panels[: b.size] = b.ravel()

def matmul(a, panels, c, accumulate):
    depth, columns = a.shape[1], c.shape[1]
    product = a @ panels[: depth * columns].reshape(depth, columns)
    c[...] = c + product if accumulate else product
"""
ELEMENTARY = """
def fma(x, y, z):
    return x * y + z

def horner(x, coefficients):
    value = coefficients[0]
    for each in coefficients[1:]:
        value = value * x + each
    return value

def exp(x):
    return _exp32(x) if isinstance(x, np.float32) else _exp64(x)

def sigmoid(x):
    return _sigmoid32(x) if isinstance(x, np.float32) else _sigmoid64(x)

def tanh(x):
    return _tanh32(x) if isinstance(x, np.float32) else _tanh64(x)
"""
SUMS = """
import numpy as np

def total(x):
    return x.sum()

def dot(x, y):
    return x.dtype.type((x * y).sum())

def squares(x):
    return float((x.astype(np.float64) ** 2).sum())

def largest(x):
    return x.max()
"""
NUMBERS = itertools.count()  # a name is never used twice, so no copy meets another's modules


class Edit(NamedTuple):
    """A change in a file of the package: replace `old` by `new`."""

    file: str
    old: str
    new: str
    times: int = 1  # how often `old` occurs


def change(folder: Path, edit: Edit) -> None:
    path = folder / edit.file
    text = path.read_text(encoding="utf-8")
    assert text.count(edit.old) == edit.times, f"{edit.file} has {edit.old!r} {text.count(edit.old)} times"
    path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")


def copy(folder: Path, edits: Iterable[Edit]) -> None:
    """Copy the package to `folder` in plain Python, with some lines changed."""
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__", "cli"))
    for edit in edits:
        change(folder, edit)
    kernels = folder / "kernels"
    (kernels / "jit.py").write_text(JIT, encoding="utf-8")
    (kernels / "matmul.py").write_text(MATMUL, encoding="utf-8")
    (kernels / "processor.py").write_text("CONFIG = None\nHAS_BFLOAT16 = HAS_AMX = False\n", encoding="utf-8")
    (kernels / "bfloat16.py").write_text("def depth_of(k):\n    return k\n", encoding="utf-8")
    (kernels / "sums.py").write_text(SUMS, encoding="utf-8")
    with (kernels / "elementary.py").open("a", encoding="utf-8") as file:
        file.write(ELEMENTARY)


class Package:
    """An imported copy: `package("kernels.model")` returns its module."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, module: str) -> Any:
        return import_module(f"{self.name}.{module}")


@contextmanager
def package(tmp_path: Path, edits: Iterable[Edit] = ()) -> Iterator[Package]:
    """Yield a changed copy, and remove it from Python's modules afterward."""
    name = f"charrnn_plain_{next(NUMBERS)}"
    copy(tmp_path / name, edits)
    sys.path.insert(0, str(tmp_path))
    invalidate_caches()
    try:
        yield Package(name)
    finally:
        sys.path.remove(str(tmp_path))
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            del sys.modules[module]
