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
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy
from llvmlite.binding import Linkage
from numba.core import compiler
from numba.core.caching import _Cache
from numba.core.runtime._nrt_python import c_helpers
from numba.core.serialize import dumps
from platformdirs import user_cache_path

from .processor import CONFIG, HAS_AMX

DIGEST = hashlib.sha256
REMEDY = "set NUMBA_CACHE_DIR to a folder of yours"
WAIT = 20.0  # seconds for a kernel that another process compiles; after that it is taken for stopped
SETTINGS = ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")  # of Numba, that change the code

notes: list[str] = []  # for the user: what went wrong, each once
writing = threading.Lock()  # held while a file is written
claims: dict[Path, Callable[[], None]] = {}  # of what this process compiles, by the file of the lock
_temporary: list[Path] = []
_listeners: list[Callable[[], None]] = []


def _note(text: str) -> None:
    if text not in notes:
        notes.append(text)


def _missed() -> None:
    while _listeners:
        _listeners.pop()()


@contextmanager
def when_compiling(call: Callable[[], None]) -> Iterator[None]:
    """Inside, `call` is called when the first kernel is not found compiled; never if all are."""
    _listeners.append(call)
    try:
        yield
    finally:
        if call in _listeners:
            _listeners.remove(call)


@cache
def sources_digest() -> str:
    """Digest of every source file that compiled code may depend on.

    A kernel's code depends on all that it calls, so it lives in a folder named by all files together; and by
    the matrix unit, which the system may refuse to one process and not to another.
    """
    versions = numba.__version__, llvmlite.__version__, numpy.__version__, sys.version, HAS_AMX
    digest = DIGEST(repr(versions).encode())
    package = Path(__file__).resolve().parent.parent
    for folder in ("kernels", "cells"):
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def folder() -> Path | None:
    """NUMBA_CACHE_DIR, or the user's cache, or one that is gone at exit, or none."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    kept = Path(chosen or "the user's cache")
    try:
        home = Path(chosen) if chosen else user_cache_path("charrnn", appauthor=False)
        kept = home / sources_digest()
        _make_private(kept)
        return kept
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        why = getattr(error, "strerror", None) or str(error)
    try:
        temporary = Path(tempfile.mkdtemp(prefix="charrnn-")) / sources_digest()
        _make_private(temporary)
    except OSError:
        _note(f"compiled kernels are not kept: {kept}: {why}; {REMEDY}")
        return None
    _note(f"compiled kernels are kept until the end of this run only: {kept}: {why}; {REMEDY}")
    _temporary.append(temporary.parent)
    atexit.register(abandon)
    return temporary


def lasts() -> bool:
    """Whether what is compiled is there for later commands."""
    kept = folder()
    return bool(kept and not _temporary and os.access(kept, os.W_OK))


def abandon() -> None:
    """Before a process leaves at once: no lock is left, nor a temporary folder, nor half of a file."""
    held = writing.acquire(timeout=1)  # for ever, if it is this very thread that a signal found writing
    for lock in list(claims):
        with suppress(OSError):
            lock.unlink()
    for home in _temporary:
        shutil.rmtree(home, ignore_errors=True)
    if held:
        writing.release()


def _make_private(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone.

    Errors: OSError, also for one that is there and belongs to somebody else, or that others may write to.
    """
    missing = [part for part in (path, *path.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise OSError("is no folder")
    if why := _foreign(status):
        raise OSError(why)


def _foreign(status: os.stat_result) -> str:
    """Why what is there may be another user's work; nothing for this user's and root's."""
    if os.name != "posix":
        return ""
    if status.st_uid not in (0, os.geteuid()):
        return "belongs to somebody else, whose code is not run"
    return "others may write to it, whose code is not run; chmod go-w" if status.st_mode & 0o022 else ""


def _read(path: Path) -> bytes:
    """A file's content.  Errors: OSError, also for one that is not this user's, or a link, or no file."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("is no file")
        if why := _foreign(status):
            raise OSError(why)
        return file.read()


def release(path: Path | None = None) -> None:
    """What was claimed is compiled, or cannot be; by default all that was."""
    for claimed in [path] if path else list(claims):
        if let_go := claims.pop(claimed, None):
            let_go()


def _parts(result: Any) -> tuple[Any, ...]:
    """Of a compiled root, what running it needs; no code for LLVM, since it is a part of nothing."""
    library, descriptor = result.library, result.fndesc
    descriptor.typemap = descriptor.calltypes = None  # as Numba does: large, and not to be pickled
    module = library._final_module
    values = [*module.functions, *module.global_variables]
    defined = {v.name for v in values if not v.is_declaration and v.linkage != Linkage.private}
    code = (library.name, library._get_compiled_object(), defined)
    return code, descriptor, result.environment, result.signature, result.reload_init


def _revive(target: Any, code: Any, descriptor: Any, environment: Any, signature: Any, reload: Any) -> Any:
    """The compiled root of `_parts`, as `numba.core.compiler.CompileResult._rebuild` does it."""
    _name_runtime()
    for call in reload:
        call()
    name, machine_code, defined = code
    library = target.codegen().create_library(name)
    library.enable_object_caching()
    library._set_compiled_object(machine_code)
    library._finalize_final_module()
    library.codegen._engine._defined_symbols |= defined
    return compiler.compile_result(
        target_context=target,
        typing_context=target.typing_context,
        library=library,
        environment=environment,
        entry_point=target.get_executable(library, descriptor, environment),
        fndesc=descriptor,
        signature=signature,
        objectmode=False,
        lifted=(),
        reload_init=reload,
    )


@cache
def _name_runtime() -> None:
    """Names for machine code of what Numba's runtime has in C, as `numba.core.runtime.nrt` gives them.

    The rest of it is a part of each root, and is compiled when a root is: 20 ms that a warm start saves.
    """
    for name, address in c_helpers.items():
        llvmlite.binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class StaleError(Exception):
    """Compiled code calls some that was compiled anew since."""


class Store(_Cache):
    """The files of one function's roots, as Numba's dispatchers ask for them."""

    cache_path = ""  # which Numba's statistics show

    def __init__(self, function: Callable[..., Any]):
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
        code = function.__code__  # of functions outside the folders that sources_digest knows
        self._code = code.co_code, code.co_consts, code.co_names

    def enable(self) -> None:
        """It always is."""

    def disable(self) -> None:
        """It cannot be."""

    def flush(self) -> None:
        """Nothing is held back."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for these types, or None; then it is this process's to compile."""
        if (path := self._path(sig, target_context.codegen())) is None:
            _missed()
            return None
        found = self._load(path, target_context)
        if found is None:
            _missed()
            _claim(path)
            if (found := self._load(path, target_context)) is not None:  # by another process, meanwhile
                release(_lock(path))
        return found

    def _load(self, path: Path, target_context: Any) -> Any:
        try:
            whole = _read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return _drop(path, error.strerror or str(error))
        if whole[:32] != _digest(path, whole[32:]):
            return _drop(path, "is damaged")
        try:
            return _revive(target_context, *pickle.loads(whole[32:]))
        except StaleError:
            with suppress(OSError):
                path.unlink()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write it whole or not at all."""
        if (path := self._path(sig, data.codegen)) is None:
            return
        content = dumps(_parts(data))
        try:
            with writing, tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                try:
                    file.write(_digest(path, content) + content)
                    file.close()
                    Path(file.name).replace(path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            _note(f"compiled kernels are not kept: {path.parent}: {error.strerror or error}; {REMEDY}")
        release(_lock(path))

    def _path(self, sig: Any, codegen: Any) -> Path | None:
        settings = [getattr(CONFIG, name) for name in SETTINGS]
        what = repr((self._code, tuple(map(str, sig)), codegen.magic_tuple(), settings))
        key = DIGEST(what.encode()).hexdigest()[:16]
        return kept / f"{self._name}-{key}.bin" if (kept := folder()) else None


def _digest(path: Path, content: bytes) -> bytes:
    """Of a file's name too: none is read in another's place."""
    return DIGEST(path.name.encode() + content).digest()


def _lock(path: Path) -> Path:
    return path.with_suffix(".lock")


def _claim(path: Path) -> None:
    """Wait for a process that compiles this, if there is one; others will wait for this one."""
    from ..system.lock import wait_and_hold  # 5 ms that a warm start saves

    lock = _lock(path)
    claims[lock] = wait_and_hold(lock, WAIT)


def _drop(path: Path, why: str) -> None:
    """A miss: it is compiled anew."""
    _note(f"a compiled kernel is compiled anew: {path}: {why}")
    with suppress(OSError):  # said above, and again if it cannot be written
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
