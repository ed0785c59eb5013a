"""The one decorator that compiles kernels: its flags and where compiled code is kept."""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
import numpy
from numba.core import event, types
from numba.extending import intrinsic, overload, register_jitable
from platformdirs import user_cache_path

from ..errors import CharrnnError
from .processor import CONFIG, HAS_AMX

Kernel = Callable[..., Any]
F = TypeVar("F", bound=Kernel)
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


def sources_digest() -> str:
    """Digest of every source file that compiled code may depend on.

    Numba's own key sees a changed file but not a change in the helpers it calls, so
    compiled code lives in a folder named by all of them together. So it is with the matrix unit, which
    the system may refuse to one process and not to another.
    """
    versions = f"{numba.__version__} {llvmlite.__version__} {sys.version} {HAS_AMX}"
    digest = hashlib.sha256(versions.encode())
    package = Path(__file__).resolve().parent.parent
    for folder in ("kernels", "cells"):
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Folder of compiled code: NUMBA_CACHE_DIR, or the user's cache, or a temporary one."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(chosen) if chosen else user_cache_path("charrnn", appauthor=False)
    folder = home / sources_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:  # a read-only home: compile into a private folder, gone at exit
        folder = Path(tempfile.mkdtemp(prefix="charrnn-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder


CACHE_FOLDER = cache_folder()


def _compile(function: Kernel, flags: set[str]) -> Kernel:
    before = CONFIG.CACHE_DIR
    CONFIG.CACHE_DIR = str(CACHE_FOLDER)  # for our own kernels, not for a caller's
    try:
        compiled: Kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)(function)
        return compiled
    finally:
        CONFIG.CACHE_DIR = before


def jit(function: Kernel) -> Kernel:
    """Compile `function` when first called, for the types it is called with, and keep the result."""
    return _compile(function, FLAGS)


def jitable(function: F) -> F:
    """As `jit`, of a function that Python calls as well, uncompiled."""
    register_jitable(function)
    return function


def reduction(function: Kernel) -> Kernel:
    """As `jit`, for a sum or a maximum that may be split over the lanes of a vector."""
    return _compile(function, FLAGS | {"reassoc"})


def instruction(define: Callable[..., Any]) -> Kernel:
    """A kernel written in LLVM; `define` is a Numba intrinsic's, and sees the values of constants."""
    defined: Kernel = intrinsic(prefer_literal=True)(define)
    return defined


def optional(kernel: Kernel) -> Kernel:
    """Inside kernels, `kernel`; or nothing, not even compiled, where its last argument is None."""

    def call(*arguments: Any) -> None:
        raise TypeError("for use inside kernels")

    @overload(call)
    def choose(*arguments):
        if isinstance(arguments[-1], types.NoneType):
            return lambda *arguments: None
        return lambda *arguments: kernel(*arguments)

    return call


class _Once(event.Listener):
    def __init__(self, call: Callable[[], Any]):
        self._call, self._called = call, False

    def on_start(self, event: Any) -> None:
        if not self._called:
            self._called = True
            self._call()

    def on_end(self, event: Any) -> None:
        pass


@contextmanager
def when_compiling(call: Callable[[], Any]) -> Iterator[None]:
    """Inside, `call` is called when the first kernel is compiled; never if all are found compiled."""
    with event.install_listener("numba:compile", _Once(call)):
        yield
