"""The one decorator that compiles kernels, and its flags."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import numba
import numpy
from numba.core import types
from numba.extending import intrinsic

from ..errors import CharrnnError
from . import compiler
from .processor import CONFIG

Kernel = Callable[..., Any]
if CONFIG.DISABLE_JIT:  # before anything runs: as plain Python kernels fail, or take days
    raise CharrnnError("Numba's compiler is turned off by NUMBA_DISABLE_JIT=1", "unset NUMBA_DISABLE_JIT")
# one version of each gives the same bits
VERSIONS = {
    "python": platform.python_version(),
    "numpy": numpy.__version__,
    "numba": numba.__version__,
}

# Without nnan and ninf: with them the compiler may assume that isnan() is False, and a
# guard against NaN would see nothing. Without reassoc: rounding by a magic constant, and
# ln 2 in two parts, would be "simplified" away. Reductions that may be reordered ask for it.
FLAGS = {"nsz", "arcp", "contract"}


def jit(function: Kernel) -> Kernel:
    """Compile `function` when first called, for the types it is called with, and keep the result."""
    return compiler.Kernel(function, FLAGS)


def reduction(function: Kernel) -> Kernel:
    """As `jit`, for a sum or a maximum that may be split over the lanes of a vector."""
    return compiler.Kernel(function, FLAGS | {"reassoc"})


choice, called = compiler.Choice, compiler.Called


def instruction(define: Callable[..., Any]) -> Kernel:
    """A kernel written in LLVM; `define` is a Numba intrinsic's, and sees the values of constants."""
    defined: Kernel = intrinsic(prefer_literal=True)(define)
    return defined


def optional(kernel: Kernel) -> Kernel:
    """Inside kernels, `kernel`; or nothing, not even compiled, where its last argument is None."""
    return choice(lambda *arguments: None if isinstance(arguments[-1], types.NoneType) else kernel, kernel)
