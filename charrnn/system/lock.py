"""Locks that one process at a time holds: on a name, or on an open file."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

from .atomic import LACKING

UNLOCKED = LACKING | {errno.ENOLCK}  # for example NFS without its lock daemon


@contextmanager
def hold(path: Path) -> Iterator[str]:
    """Hold the name `path` by locking a file .NAME.lock next to it.

    The kernel releases the lock when the process ends, however it ends; the file is removed on release.
    Yields an empty string, or a sentence if the file system has no locks: then nothing is held. The mere
    existence of a file is no substitute: if a killed process left it, the run could never start again.
    Errors: BlockingIOError if another process holds it; OSError.
    """
    name = path.with_name(f".{path.name}.lock")
    lock, lacking = FileLock(name, fallback_to_soft=False), ""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlockingIOError(f"{path} is held") from None
    except OSError as error:
        try:
            lacking = _lacking(path, error)
        except OSError:
            name.unlink(missing_ok=True)
            raise
    try:
        yield lacking
    finally:
        with suppress(OSError):  # Windows does not remove open files
            name.unlink()
        with suppress(OSError):  # it is released when the process ends, too
            lock.release()


def wait_and_hold(path: Path, seconds: float) -> Callable[[], None]:
    """Wait until no other process holds `path`, a file for this alone; return a function that releases it.

    Nothing is held if the file system has no locks, or if the wait exceeds `seconds`.
    """
    lock = FileLock(path, fallback_to_soft=False)
    with suppress(Timeout, OSError):
        lock.acquire(timeout=seconds, poll_interval=0.02)

    def let_go() -> None:
        if lock.is_locked:
            with suppress(OSError):  # Windows does not remove open files
                path.unlink()
            with suppress(OSError):
                lock.release()

    return let_go


def hold_open(path: Path, file: int) -> str:
    """Hold an open file until it is closed, under whatever name others may open it.

    Returns what `hold` yields.  Errors: as `hold`.
    """
    try:
        held = lock_descriptor(file, blocking=False)
    except OSError as error:
        return _lacking(path, error)
    if not held:
        raise BlockingIOError(f"{path} is held")
    return ""


def _lacking(path: Path, error: OSError) -> str:
    if error.errno not in UNLOCKED:
        raise error
    return (
        f"{path.parent} is on a file system without locks ({error.strerror}): nothing prevents "
        "another run from writing to the same files"
    )
