"""What one process at a time may hold: a name, or an open file."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

from .atomic import LACKING

UNLOCKED = LACKING | {errno.ENOLCK}  # NFS without its lock daemon, and others


@contextmanager
def hold(path: Path) -> Iterator[str]:
    """Hold the name `path`, by a file .NAME.lock beside it.

    The lock is the kernel's and ends with the process, however it ends; the file goes when it is released.
    Yields nothing, or in a sentence that the file system has no locks: then nothing is held.  A file that
    stands for a lock is no help: one that a kill left behind would stop the run for ever.
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
        with suppress(OSError):  # Windows removes no open file
            name.unlink()
        with suppress(OSError):  # the end of the process releases it too
            lock.release()


def wait_and_hold(path: Path, seconds: float) -> Callable[[], None]:
    """Hold `path`, a file for this alone, once no other process does; what is returned lets it go.

    Nothing is held where the file system has no locks, nor after so many seconds.
    """
    lock = FileLock(path, fallback_to_soft=False)
    with suppress(Timeout, OSError):
        lock.acquire(timeout=seconds, poll_interval=0.02)

    def let_go() -> None:
        if lock.is_locked:
            with suppress(OSError):  # Windows removes no open file
                path.unlink()
            with suppress(OSError):
                lock.release()

    return let_go


def hold_open(path: Path, file: int) -> str:
    """Hold an open file, by whatever name others may open it, until it is closed.

    Returns and errors: as `hold`.
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
        f"{path.parent} is on a file system without locks ({error.strerror}): nothing keeps another run "
        "from writing to the same files"
    )
