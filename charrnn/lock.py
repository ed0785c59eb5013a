"""One run at a time on one output, and none of a dead run's leavings."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import CheckpointError

try:
    import fcntl
except ImportError:  # Windows: no lock
    fcntl = None  # type: ignore[assignment]


def hold(file: int) -> None:
    """Lock an open file until it is closed.  Errors: BlockingIOError if another process holds it."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def output(path: Path) -> Iterator[None]:
    """Hold the checkpoint `path` for writing; temporary files that a killed run left beside it are removed.

    The lock is the kernel's and ends with the process, however it ends.
    Errors: CheckpointError if another process holds it, or the folder cannot be written.
    """
    name = path.with_name(f".{path.name.removesuffix('.npz')}.lock")  # with and without .npz is one run
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = _acquire(name)
    except BlockingIOError:
        raise CheckpointError(
            f"another run is writing to {path}", "choose another --out, or end that run"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path.parent} cannot be written: {error.strerror}") from None
    try:
        name_and_kin = glob.escape(path.name.removesuffix(".npz"))
        for pattern in ("", ".last", ".step?????????"):
            for stale in path.parent.glob(f".{name_and_kin}{pattern}.npz.*.tmp"):
                stale.unlink(missing_ok=True)
        yield
    finally:
        name.unlink(missing_ok=True)
        os.close(held)


def _acquire(name: Path) -> int:
    while True:
        held = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            hold(held)
            if fcntl is None:
                return held
            if name.exists() and os.fstat(held).st_ino == name.stat().st_ino:
                return held
        except OSError:
            os.close(held)
            raise
        os.close(held)  # its last holder removed the file between our two calls
