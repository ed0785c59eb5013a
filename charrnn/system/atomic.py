"""Write files atomically: they exist whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# errors of a file system that lacks an operation; any other error is a failure
LACKING = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
NO_MODE = LACKING | {errno.EPERM, errno.EACCES}  # CIFS, vfat: the mount sets the modes
NO_OVERWRITE = LACKING | {errno.EEXIST, errno.EPERM}


@contextmanager
def replacing(path: Path, lacking: set[str] | None = None) -> Iterator[IO[bytes]]:
    """Yield a file next to `path`, which is then flushed to the disk and renamed over it.

    lacking: receives sentences on what the file system cannot do, if that need not stop the program.
    Errors: OSError; `path` is then unchanged, and no other file is left.
    """
    lacks = set() if lacking is None else lacking
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            _flush(file.fileno(), path.parent, lacks, LACKING)
        _share(temporary, lacks)
        _rename(temporary, path, lacks)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError:  # a folder may be writable but not readable; Windows opens none
        return
    try:
        _flush(folder, path.parent, lacks, None)  # no error: the new file is in place
    finally:
        os.close(folder)


def leavings(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield what a killed `replacing` left for files with such names.  pattern: as for glob."""
    return folder.glob(f".{pattern}.????????.tmp")  # mkstemp adds eight characters


def _flush(descriptor: int, folder: Path, lacks: set[str], allowed: set[int] | None) -> None:
    """Flush to the disk.  allowed: error numbers that only cause a note; None: all."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if allowed is not None and error.errno not in allowed:
            raise
        lacks.add(
            f"{folder} does not flush files to its disk ({error.strerror}): saved files may be lost"
            " if the power fails"
        )


def _share(temporary: Path, lacks: set[str]) -> None:
    """Give the file the usual mode of a new one; mkstemp lets only the owner read it."""
    umask = os.umask(0)
    os.umask(umask)
    try:
        temporary.chmod(0o666 & ~umask)
    except OSError as error:
        if error.errno not in NO_MODE:
            raise
        lacks.add(
            f"{temporary.parent} does not allow file modes to be set ({error.strerror}): others may not be"
            " able to read what is saved there"
        )


def _rename(temporary: Path, path: Path, lacks: set[str]) -> None:
    """Rename over `path`; if the file system cannot, move the old file aside first."""
    try:
        temporary.replace(path)
        return
    except OSError as error:
        if error.errno not in NO_OVERWRITE or not path.is_file():
            raise
        reason = error.strerror
    aside = path.with_name(f".{path.name}.old")
    aside.unlink(missing_ok=True)  # left by an interrupted save, and older than `path`
    path.rename(aside)
    try:
        temporary.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    aside.unlink()
    lacks.add(
        f"{path.parent} cannot replace files by renaming ({reason}): an interrupted save may leave the"
        " previous file under the name .NAME.old"
    )
