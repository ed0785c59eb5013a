"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# what a file system answers that has no such operation; any other error is one of the disk
LACKING = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
NO_MODE = LACKING | {errno.EPERM, errno.EACCES}  # CIFS, vfat: modes are the mount's
NO_OVERWRITE = LACKING | {errno.EEXIST, errno.EPERM}


@contextmanager
def replacing(path: Path, lacking: set[str] | None = None) -> Iterator[IO[bytes]]:
    """A file beside `path` to write to, which is then flushed to the disk and renamed over it.

    lacking: gets what the file system cannot do, in sentences, where that does not forbid to go on.
    Errors: OSError; `path` is then as it was, and nothing is left beside it.
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
    except OSError:  # one may write to a folder without reading it; Windows opens none
        return
    try:
        _flush(folder, path.parent, lacks, None)  # an error would say that the old file is there
    finally:
        os.close(folder)


def leavings(folder: Path, pattern: str) -> Iterator[Path]:
    """What `replacing` left of files called so when it was killed.  pattern: as for glob."""
    return folder.glob(f".{pattern}.????????.tmp")  # mkstemp's eight


def _flush(descriptor: int, folder: Path, lacks: set[str], allowed: set[int] | None) -> None:
    """Flush to the disk.  allowed: numbers of errors that are noted alone; None: all."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if allowed is not None and error.errno not in allowed:
            raise
        lacks.add(
            f"{folder} does not flush files to its disk ({error.strerror}): what was saved may be lost if the"
            " power fails"
        )


def _share(temporary: Path, lacks: set[str]) -> None:
    """Give the file the mode of any new one: mkstemp's is its owner's alone."""
    umask = os.umask(0)
    os.umask(umask)
    try:
        temporary.chmod(0o666 & ~umask)
    except OSError as error:
        if error.errno not in NO_MODE:
            raise
        lacks.add(
            f"{temporary.parent} does not let modes of files be set ({error.strerror}): others may not be"
            " able to read what is saved there"
        )


def _rename(temporary: Path, path: Path, lacks: set[str]) -> None:
    """Over `path`; where no file can be renamed over another, that is put aside first."""
    try:
        temporary.replace(path)
        return
    except OSError as error:
        if error.errno not in NO_OVERWRITE or not path.is_file():
            raise
        reason = error.strerror
    aside = path.with_name(f".{path.name}.old")
    aside.unlink(missing_ok=True)  # of a save that was cut short before, and older than `path`
    path.rename(aside)
    try:
        temporary.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    aside.unlink()
    lacks.add(
        f"{path.parent} renames no file over another ({reason}): a save that is cut short may leave the one"
        " before it under the name .NAME.old"
    )
