"""The decorator that compiles kernels, and its variants."""

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
if CONFIG.DISABLE_JIT:  # check this first: as plain Python, kernels fail or take days
    raise CharrnnError("NUMBA_DISABLE_JIT=1 turns off Numba's compiler", "unset NUMBA_DISABLE_JIT")
# a resumed run reports versions that have changed
VERSIONS = {
    "python": platform.python_version(),
    "numpy": numpy.__version__,
    "numba": numba.__version__,
}


def jit(function: Kernel) -> Kernel:
    """Compile `function` when it is first called with arguments of new types, and cache the result.

    Arithmetic follows IEEE 754, operation by operation. If the compiler could reorder or fuse operations, it
    would do so differently for each processor. Vector sums are in sums.py, fused multiply-adds in
    elementary.py.
    """
    return compiler.Kernel(function)


choice, called = compiler.Choice, compiler.Called


def instruction(define: Callable[..., Any]) -> Kernel:
    """Make a kernel written in LLVM; `define` defines a Numba intrinsic and sees the values of constants."""
    defined: Kernel = intrinsic(prefer_literal=True)(define)
    return defined


def optional(kernel: Kernel) -> Kernel:
    """Inside kernels, call `kernel`; if its last argument is None, do nothing and do not compile it."""
    return choice(lambda *arguments: None if isinstance(arguments[-1], types.NoneType) else kernel, kernel)
