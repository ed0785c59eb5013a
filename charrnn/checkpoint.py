"""Models in .npz files: a zip of plain arrays that numpy.load reads without pickle."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__, cells
from .config import ModelConfig
from .errors import CheckpointError
from .network import Network
from .parameters import Array, Layout
from .text import CODE_POINTS, Vocabulary

FORMAT = 1
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's first date: the same model is the same bytes


@dataclass(frozen=True)
class Checkpoint:
    """A model, the vocabulary it speaks, and how it came about."""

    network: Network
    vocabulary: Vocabulary
    meta: dict[str, Any]  # format, version, model; from training: corpus, training, metrics, command
    extra: dict[str, Array] = field(default_factory=dict)  # optim.* and state.*, to go on training


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically: `path` holds either the old file or the whole new one, whatever happens.

    Errors: CheckpointError with path and reason; the old file is untouched.
    """
    network = checkpoint.network
    if not all(np.isfinite(array).all() for array in (network.flat, *checkpoint.extra.values())):
        raise CheckpointError(f"the parameters are not finite: {path} is left as it was", "lower --lr")
    meta = {"format": FORMAT, "version": __version__, "model": asdict(network.config)}
    meta |= {"level": checkpoint.vocabulary.level} | checkpoint.meta
    arrays = network.layout.export(network.flat) | checkpoint.extra
    arrays["vocab"] = checkpoint.vocabulary.points
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, arrays)
    except OSError as error:
        raise CheckpointError(f"{path} could not be written: {error.strerror or error}") from error


def _replace(path: Path, arrays: dict[str, Array]) -> None:
    """Write beside `path`, flush to the disk, then rename over it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's file is its owner's alone
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(file: Any, arrays: dict[str, Array]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), member.getbuffer())


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.  Errors: CheckpointError that says what is wrong with the file."""
    try:
        arrays = _read(path)
        meta = json.loads(arrays.pop("meta").tobytes())
        if not isinstance(meta, dict) or not isinstance(meta.get("format"), int):
            raise CheckpointError(f"{path} is no charrnn checkpoint: its meta has no format")
        if meta["format"] > FORMAT:
            raise CheckpointError(
                f"{path} has format {meta['format']}, newer than format {FORMAT}", "update charrnn"
            )
        vocabulary = _vocabulary(arrays.pop("vocab"), meta.get("level", "char"))
        extra = {name: arrays.pop(name) for name in list(arrays) if name.startswith(("optim.", "state."))}
        network = _network(_config(meta["model"]), vocabulary, arrays)
        _check_extra(extra, network)
        return Checkpoint(network, vocabulary, meta, extra)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path} is a folder", "name a checkpoint in it") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise CheckpointError(f"{path} is no charrnn checkpoint: {error}") from None


def _read(path: Path) -> dict[str, Array]:
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy"):
                raise ValueError(f"member {member.filename!r} is not a stored array")
            with archive.open(member) as file:
                arrays[member.filename[:-4]] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _vocabulary(points: Array, level: str) -> Vocabulary:
    ordered = points.ndim == 1 and points.size > 0 and bool((points[1:] > points[:-1]).all())
    surrogates = (points >= 0xD800) & (points <= 0xDFFF)
    if points.dtype != np.uint32 or not ordered or points[-1] >= CODE_POINTS or surrogates.any():
        raise ValueError("its vocabulary is not a sorted list of code points")
    if level not in ("char", "byte") or (level == "byte" and len(points) != 256):
        raise ValueError(f"its vocabulary of level {level!r} has {len(points)} entries")
    return Vocabulary(points, level)


def _check_extra(extra: dict[str, Array], network: Network) -> None:
    config, layers = network.config, network.config.num_layers
    for name, array in extra.items():
        if name.startswith("optim."):
            right = array.shape == (network.flat.size,)
        else:
            right = array.ndim == 4 and array.shape[:2] == (layers, network.cell.states)
            right = right and array.shape[3] == config.hidden_size
        if not right or array.dtype != network.flat.dtype or not np.isfinite(array).all():
            raise ValueError(f"{name} is {array.dtype} {array.shape}, or has values that are not finite")


def _config(values: dict[str, Any]) -> ModelConfig:
    kinds = {f.name: type(f.default) for f in fields(ModelConfig)}
    for name, value in values.items():
        if name not in kinds or not isinstance(value, (kinds[name], int)):
            raise ValueError(f"its model has {name} = {value!r}")
    config = ModelConfig(**values)
    if config.cell not in cells.names():
        raise ValueError(f"its cell {config.cell!r} is none of {', '.join(cells.names())}")
    return config


def _network(config: ModelConfig, vocabulary: Vocabulary, arrays: dict[str, Array]) -> Network:
    layout = Layout(config, len(vocabulary))
    shapes = layout.exported_shapes()
    if arrays.keys() != shapes.keys():
        odd = sorted(arrays.keys() ^ shapes.keys())
        raise ValueError(f"arrays missing or not expected: {', '.join(odd)}")
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.dtype(config.dtype):
            raise ValueError(
                f"{name} is {arrays[name].dtype} {arrays[name].shape}, not {config.dtype} {shape}"
            )
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} has values that are not finite")
    return Network(config, len(vocabulary), layout.load(arrays))
