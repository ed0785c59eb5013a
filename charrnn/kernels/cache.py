"""Compiled code on disk: one file per root, named by its dependencies, written atomically, checked when read.

Loaded code runs, so nobody else may supply it: the folder must belong to this user, and nobody else may write
to it. A damaged file or an unusable folder only costs time and a note.
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
REMEDY = "set NUMBA_CACHE_DIR to a folder that only you can write to"
WAIT = 20.0  # seconds to wait while another process compiles a kernel; then assume that it has stopped
SETTINGS = ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")  # Numba's settings that change the code

notes: list[str] = []  # problems to report to the user, each once
writing = threading.Lock()  # held while a file is written
claims: dict[Path, Callable[[], None]] = {}  # lock files of kernels compiled here: their release
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
    """Within the context, call `call` once when a kernel is not in the cache."""
    _listeners.append(call)
    try:
        yield
    finally:
        if call in _listeners:
            _listeners.remove(call)


@cache
def sources_digest() -> str:
    """Return a digest of every source file that compiled code may depend on.

    A kernel's code depends on everything it calls, so one folder name covers all files. It also covers the
    matrix unit, which the system may allow to one process and refuse to another.
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
    """Return the cache folder, in NUMBA_CACHE_DIR or the user's cache, else a temporary one, else None."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    kept = Path(chosen or "the user's cache")
    try:
        home = Path(chosen) if chosen else user_cache_path("charrnn", appauthor=False)
        kept = home / sources_digest()
        _make_private(kept)
        return kept
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home folder
        why = getattr(error, "strerror", None) or str(error)
    try:
        temporary = Path(tempfile.mkdtemp(prefix="charrnn-")) / sources_digest()
        _make_private(temporary)
    except OSError:
        _note(f"cannot save compiled kernels: {kept}: {why}; {REMEDY}")
        return None
    _note(f"compiled kernels are saved only until this run ends: {kept}: {why}; {REMEDY}")
    _temporary.append(temporary.parent)
    atexit.register(abandon)
    return temporary


def lasts() -> bool:
    """Return whether compiled kernels are kept for later commands."""
    kept = folder()
    return bool(kept and not _temporary and os.access(kept, os.W_OK))


def abandon() -> None:
    """Clean up before the process exits at once: leave no lock, temporary folder or partial file."""
    held = writing.acquire(timeout=1)  # else a signal in the middle of a write would wait forever
    for lock in list(claims):
        with suppress(OSError):
            lock.unlink()
    for home in _temporary:
        shutil.rmtree(home, ignore_errors=True)
    if held:
        writing.release()


def _make_private(path: Path) -> None:
    """Make a folder and its missing parents, accessible to this user only.

    Errors: OSError, also if the folder exists and another user owns it or may write to it.
    """
    missing = [part for part in (path, *path.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise OSError("not a folder")
    if why := _foreign(status):
        raise OSError(why)


def _foreign(status: os.stat_result) -> str:
    """Return why another user may have written this; empty if only this user or root could have."""
    if os.name != "posix":
        return ""
    if status.st_uid not in (0, os.geteuid()):
        return "belongs to another user, whose code is not run"
    return "others can write to it, so its code is not run (chmod go-w)" if status.st_mode & 0o022 else ""


def _read(path: Path) -> bytes:
    """Return a file's content.  Errors: OSError, also for a link, a non-file, or another user's file."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        if why := _foreign(status):
            raise OSError(why)
        return file.read()


def release(path: Path | None = None) -> None:
    """Release the lock of a kernel that is compiled or failed to compile; by default, all locks."""
    for claimed in [path] if path else list(claims):
        if let_go := claims.pop(claimed, None):
            let_go()


def _parts(result: Any) -> tuple[Any, ...]:
    """Return what running a compiled root needs. LLVM code is not included: no other root contains it."""
    library, descriptor = result.library, result.fndesc
    descriptor.typemap = descriptor.calltypes = None  # as Numba does: they are large and cannot be pickled
    module = library._final_module
    values = [*module.functions, *module.global_variables]
    defined = {v.name for v in values if not v.is_declaration and v.linkage != Linkage.private}
    code = (library.name, library._get_compiled_object(), defined)
    return code, descriptor, result.environment, result.signature, result.reload_init


def _revive(target: Any, code: Any, descriptor: Any, environment: Any, signature: Any, reload: Any) -> Any:
    """Rebuild a compiled root from `_parts`, like `numba.core.compiler.CompileResult._rebuild`."""
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
    """Register the C functions of Numba's runtime for machine code, as `numba.core.runtime.nrt` does.

    Each root contains the rest of the runtime, so a warm start saves the 20 ms of compiling it.
    """
    for name, address in c_helpers.items():
        llvmlite.binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class StaleError(Exception):
    """Compiled code calls a root that was compiled again since."""


class Store(_Cache):
    """The cached files of one function's roots, with the interface that Numba's dispatchers expect."""

    cache_path = ""  # shown in Numba's statistics

    def __init__(self, function: Callable[..., Any]):
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
        code = function.__code__  # sources_digest does not cover functions from other folders
        self._code = code.co_code, code.co_consts, code.co_names

    def enable(self) -> None:
        """Do nothing: the cache is always enabled."""

    def disable(self) -> None:
        """Do nothing: the cache cannot be disabled."""

    def flush(self) -> None:
        """Do nothing: there is nothing to flush."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the root compiled for these types, or None: then this process has to compile it."""
        if (path := self._path(sig, target_context.codegen())) is None:
            _missed()
            return None
        found = self._load(path, target_context)
        if found is None:
            _missed()
            _claim(path)
            if (found := self._load(path, target_context)) is not None:  # another process was faster
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
            return _drop(path, "damaged")
        try:
            return _revive(target_context, *pickle.loads(whole[32:]))
        except StaleError:
            with suppress(OSError):
                path.unlink()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a compiled root atomically."""
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
            _note(f"cannot save compiled kernels: {path.parent}: {error.strerror or error}; {REMEDY}")
        release(_lock(path))

    def _path(self, sig: Any, codegen: Any) -> Path | None:
        settings = [getattr(CONFIG, name) for name in SETTINGS]
        what = repr((self._code, tuple(map(str, sig)), codegen.magic_tuple(), settings))
        key = DIGEST(what.encode()).hexdigest()[:16]
        return kept / f"{self._name}-{key}.bin" if (kept := folder()) else None


def _digest(path: Path, content: bytes) -> bytes:
    """Return a digest of a file's name and content, so that a renamed file is rejected."""
    return DIGEST(path.name.encode() + content).digest()


def _lock(path: Path) -> Path:
    return path.with_suffix(".lock")


def _claim(path: Path) -> None:
    """Wait until no other process compiles this kernel, then make others wait for this process."""
    from ..system.lock import wait_and_hold  # imported here, which saves a warm start 5 ms

    lock = _lock(path)
    claims[lock] = wait_and_hold(lock, WAIT)


def _drop(path: Path, why: str) -> None:
    """Delete a file that cannot be used, and note that its kernel is compiled again."""
    _note(f"a kernel has to be compiled again: {path}: {why}")
    with suppress(OSError):  # reported above, and again if the new file cannot be written
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
