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
# which a resumed run names where they are others
VERSIONS = {
    "python": platform.python_version(),
    "numpy": numpy.__version__,
    "numba": numba.__version__,
}


def jit(function: Kernel) -> Kernel:
    """Compile `function` when first called, for the types it is called with, and keep the result.

    As IEEE 754 has it, operation by operation: what a compiler may reorder or fuse, it reorders and fuses
    otherwise for another processor. Sums of vectors are in sums.py, fused multiply-adds in elementary.py.
    """
    return compiler.Kernel(function)


choice, called = compiler.Choice, compiler.Called


def instruction(define: Callable[..., Any]) -> Kernel:
    """A kernel written in LLVM; `define` is a Numba intrinsic's, and sees the values of constants."""
    defined: Kernel = intrinsic(prefer_literal=True)(define)
    return defined


def optional(kernel: Kernel) -> Kernel:
    """Inside kernels, `kernel`; or nothing, not even compiled, where its last argument is None."""
    return choice(lambda *arguments: None if isinstance(arguments[-1], types.NoneType) else kernel, kernel)
