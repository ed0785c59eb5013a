"""Save checkpoints as .npz files that numpy.load reads without pickle, either whole or not at all."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import CheckpointError, field
from ..model.pytorch import export
from . import npz
from .checkpoint import VERSIONS, Checkpoint
from .metadata import FORMAT, parse

FULL = "make room on the disk"


REMEDIES = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EFBIG: "train a smaller model"}


def save(path: Path, checkpoint: Checkpoint, lacking: set[str] | None = None) -> None:
    """Write atomically: `path` holds either the old file or the whole new one, whatever happens.

    lacking: receives what the file system cannot do, see `replacing`.
    Errors: CheckpointError with path and reason; the old file is unchanged.
    """
    network = checkpoint.network
    if not all(np.isfinite(array).all() for array in (network.flat, *checkpoint.extra.values())):
        raise CheckpointError(
            f"the parameters are not finite, so {path} was not changed", f"lower {field('lr')}"
        )
    meta = {"format": FORMAT, **VERSIONS, "model": asdict(network.config)}
    meta |= {"level": checkpoint.vocabulary.level} | checkpoint.meta
    arrays = export(network.layout, network.flat) | checkpoint.extra
    arrays["vocab"] = checkpoint.vocabulary.points
    text = json.dumps(meta).encode()
    try:
        parse(text)  # make sure that it can be read
        arrays["meta"] = np.frombuffer(text, np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        npz.write(path, arrays, lacking)
    except ValueError as error:
        raise CheckpointError(f"{path} could not be written: {error}") from error
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, f"choose another {field('out')}")
        reason = f"{path} could not be written: {error.strerror or error}"
        raise CheckpointError(reason, f"{remedy}; what was saved before is intact") from error
