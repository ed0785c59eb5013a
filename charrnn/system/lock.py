"""One run at a time on one output, and none of a dead run's leavings."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import CheckpointError, field


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the name `path`, by a file .NAME.lock beside it.

    The lock is the kernel's and ends with the process, however it ends; the file goes when it is released.
    Errors: BlockingIOError if another process holds it; OSError.
    """
    name = path.with_name(f".{path.name}.lock")
    lock = FileLock(name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlockingIOError(f"{path} is held") from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            name.unlink()
        lock.release()


@contextmanager
def output(path: Path) -> Iterator[None]:
    """Hold the checkpoint `path` for writing; temporary files that a killed run left beside it are removed.

    Errors: CheckpointError if another process holds it, or the folder cannot be written.
    """
    run = path.with_name(path.name.removesuffix(".npz"))  # with and without .npz is one run
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(hold(run))
        except BlockingIOError:
            raise CheckpointError(
                f"another run is writing to {path}", f"choose another {field('out')}, or end that run"
            ) from None
        except OSError as error:
            raise CheckpointError(f"{path.parent} cannot be written: {error.strerror}") from None
        for pattern in ("", ".last", ".step?????????"):
            for stale in path.parent.glob(f".{glob.escape(run.name)}{pattern}.npz.*.tmp"):
                stale.unlink(missing_ok=True)
        yield
