"""Read and write safetensors: arrays under PyTorch's names, configuration and vocabulary as metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..array_types import Array
from ..checkpoint.checkpoint import Checkpoint
from ..errors import CharrnnError, CheckpointError
from ..model.pytorch import export

NEEDS = 'install it with pip install ".[export]"'


def facts(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what another program needs besides the arrays, each as JSON."""
    vocabulary = checkpoint.vocabulary
    return {
        "config": json.dumps(asdict(checkpoint.network.config)),
        "level": json.dumps(vocabulary.level),
        "documents": json.dumps(checkpoint.documents),
        "vocabulary": json.dumps(vocabulary.points.tolist()),  # code points, or bytes, in the order of ids
    }


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a model as safetensors.  Errors: CharrnnError without the library; OSError."""
    try:
        from safetensors.numpy import save
    except ImportError:
        raise CharrnnError("safetensors files need the safetensors library", NEEDS) from None
    from ..system.atomic import replacing

    network = checkpoint.network
    data = save(export(network.layout, network.flat), {"format": "pt", **facts(checkpoint)})
    with replacing(path, set()) as file:
        file.write(data)


def read(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return arrays by name, with half precision widened to float32, and the metadata.

    Errors: CheckpointError for another kind of file; CharrnnError without the library.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise CharrnnError("safetensors files need the safetensors library", NEEDS) from None
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            arrays = {name: file.get_tensor(name) for name in names}
            return {name: _wide(array) for name, array in arrays.items()}, file.metadata() or {}
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from None


def _wide(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array
