"""Compiled code on disk: one file a root, named by what it depends on, written whole, checked when read.

What is loaded is run, so it must be ours: the folder belongs to this user and nobody else may write to it. A
file that is damaged, and a folder that cannot be used, cost time and a note, and nothing else.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import compiler
from numba.core.caching import _Cache
from numba.core.serialize import dumps
from platformdirs import user_cache_path

from .processor import HAS_AMX

DIGEST = hashlib.sha256
REMEDY = "NUMBA_CACHE_DIR names another folder"
notes: list[str] = []  # for the user: what went wrong, each once


def _note(text: str) -> None:
    if text not in notes:
        notes.append(text)


@cache
def sources_digest() -> str:
    """Digest of every source file that compiled code may depend on.

    A kernel's code depends on all that it calls, so it lives in a folder named by all files together; and by
    the matrix unit, which the system may refuse to one process and not to another.
    """
    digest = DIGEST(f"{numba.__version__} {llvmlite.__version__} {sys.version} {HAS_AMX}".encode())
    package = Path(__file__).resolve().parent.parent
    for folder in ("kernels", "cells"):
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def folder() -> Path | None:
    """NUMBA_CACHE_DIR, or the user's cache, or one that is gone at exit, or none."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(chosen) if chosen else user_cache_path("charrnn", appauthor=False)
    kept = home / sources_digest()
    try:
        _make_private(kept)
        with tempfile.TemporaryFile(dir=kept):
            return kept
    except OSError as error:
        why = error.strerror or str(error)
    try:
        temporary = Path(tempfile.mkdtemp(prefix="charrnn-"))  # of mode 0700
    except OSError:
        _note(f"compiled kernels are not kept: {kept}: {why}; {REMEDY}")
        return None
    _note(f"compiled kernels are kept until the end of this run only: {kept}: {why}; {REMEDY}")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary


def _make_private(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone.

    Errors: OSError, also for one that is there and belongs to somebody else, or that others may write to.
    """
    missing = [part for part in (path, *path.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not path.is_dir() or path.is_symlink():
        raise OSError("is no folder")
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise OSError("belongs to somebody else, whose code is not run")
    if os.name == "posix" and status.st_mode & 0o022:
        raise OSError("others may write to it, whose code is not run")


class Store(_Cache):
    """The files of one function's roots, as Numba's dispatchers ask for them."""

    def __init__(self, function: Callable[..., Any]):
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")

    cache_path = ""

    def enable(self) -> None:
        """It always is."""

    def disable(self) -> None:
        """It cannot be."""

    def flush(self) -> None:
        """Nothing is held back."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for these types, or None."""
        target_context.refresh()
        if (path := self._path(sig, target_context.codegen())) is None:
            return None
        try:
            whole = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._drop(path, error.strerror or str(error))
        if whole[:32] != DIGEST(whole[32:]).digest():
            return self._drop(path, "is damaged")
        return compiler.CompileResult._rebuild(target_context, *pickle.loads(whole[32:]))

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write it whole or not at all."""
        if (path := self._path(sig, data.codegen)) is None:
            return
        content = dumps(data._reduce())
        try:
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                try:
                    file.write(DIGEST(content).digest() + content)
                    file.close()
                    Path(file.name).replace(path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            _note(f"compiled kernels are not kept: {path.parent}: {error.strerror or error}; {REMEDY}")

    def _path(self, sig: Any, codegen: Any) -> Path | None:
        key = DIGEST(repr((tuple(map(str, sig)), codegen.magic_tuple())).encode()).hexdigest()[:16]
        return kept / f"{self._name}-{key}.bin" if (kept := folder()) else None

    def _drop(self, path: Path, why: str) -> None:
        """A miss: it is compiled anew."""
        _note(f"a compiled kernel is compiled anew: {path}: {why}")
        with suppress(OSError):  # said above, and again if it cannot be written
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
