"""Allow only one training run at a time per output, and clean up after killed runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..checkpoint.names import RunNames
from ..errors import CheckpointError, field
from ..system.lock import hold


@contextmanager
def output(out: Path) -> Iterator[str]:
    """Hold the files of a run for writing, and remove temporary files that a killed run left.

    Yields a sentence about what the file system lacks, or an empty string.
    Errors: CheckpointError if another process holds the files, or the folder cannot be written.
    """
    names = RunNames.of(out)
    with ExitStack() as held:
        try:
            names.folder.mkdir(parents=True, exist_ok=True)
            lacking = held.enter_context(hold(names.run))
        except BlockingIOError:
            raise CheckpointError(
                f"another run is writing to {names.best}", f"choose another {field('out')}, or stop that run"
            ) from None
        except OSError as error:
            raise CheckpointError(f"{names.folder} cannot be written: {error.strerror}") from None
        for stale in names.leavings():
            stale.unlink(missing_ok=True)
        yield lacking
