"""Models in .npz files that numpy.load reads without pickle, with all that is needed to go on with them."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import numpy as np

from . import __version__, cells, npz
from .config import ModelConfig
from .errors import CheckpointError, UsageError
from .network import Network
from .parameters import Array, Layout
from .text import CODE_POINTS, Vocabulary

FORMAT = 1
LONGEST_META = 1 << 24  # bytes


@dataclass(frozen=True)
class Checkpoint:
    """A model, the vocabulary it speaks, and how it came about."""

    network: Network
    vocabulary: Vocabulary
    meta: dict[str, Any]  # format, version, model; from training: corpus, training, metrics, command
    extra: dict[str, Array] = field(default_factory=dict)  # optim.* and state.*, to go on training


def last_path(path: Path) -> Path:
    """Where the run whose best model is NAME.npz keeps what it needs to go on: NAME.last.npz."""
    return path.with_name(path.name.removesuffix(".npz") + ".last.npz")


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
        npz.write(path, arrays)
    except OSError as error:
        raise CheckpointError(f"{path} could not be written: {error.strerror or error}") from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, which may come from a stranger: all is checked before anything is allocated.

    Errors: CheckpointError that says what is wrong with the file.  Cost: memory for the file and its model.
    """
    try:
        with path.open("rb") as file:
            return _load(file)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path} is a folder", "name a checkpoint in it") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from None
    except NewerFormat as error:
        raise CheckpointError(f"{path} {error}", "update charrnn") from None
    except UNREADABLE as error:
        raise CheckpointError(f"{path} is no charrnn checkpoint: {error}") from None


class NewerFormat(Exception):
    """A file of a format that only a later version knows."""


# whatever Python's zip and JSON readers and our own checks raise for a broken file
UNREADABLE = (
    *(ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, EOFError, RecursionError),
    *(
        zipfile.BadZipFile,
        NotImplementedError,
        UsageError,
        SyntaxError,
        RuntimeError,
        MemoryError,
        struct.error,
    ),
)


def _load(file: IO[bytes]) -> Checkpoint:
    members = npz.members(file)
    meta = _meta(file, members.pop("meta"))
    vocabulary = _vocabulary(file, members.pop("vocab"), meta.get("level", "char"))
    config = _config(meta["model"])
    if config.num_layers > len(members):
        raise ValueError(f"it has {len(members)} arrays for {config.num_layers} layers")
    layout = Layout(config, len(vocabulary))
    shapes = layout.exported_shapes()
    extra = {name: members.pop(name) for name in list(members) if name.startswith(("optim.", "state."))}
    _check_names(members, shapes)
    for name, member in (members | extra).items():
        _check_shape(name, member, layout, shapes)
    arrays = {name: _finite(name, npz.read(file, member)) for name, member in members.items()}
    network = Network(config, len(vocabulary), layout.load(arrays))
    return Checkpoint(
        network, vocabulary, meta, {name: _finite(name, npz.read(file, m)) for name, m in extra.items()}
    )


def _meta(file: IO[bytes], member: npz.Member) -> dict[str, Any]:
    if member.dtype != "|u1" or len(member.shape) != 1 or member.nbytes > LONGEST_META:
        raise ValueError("its meta is not JSON")
    meta = json.loads(npz.read(file, member).tobytes())
    if not isinstance(meta, dict) or type(meta.get("format")) is not int:
        raise ValueError("its meta has no format")
    if meta["format"] > FORMAT:
        raise NewerFormat(f"has format {meta['format']}, newer than format {FORMAT} that this version reads")
    return meta


def _vocabulary(file: IO[bytes], member: npz.Member, level: str) -> Vocabulary:
    if member.dtype != "<u4" or len(member.shape) != 1 or not 0 < member.shape[0] <= CODE_POINTS:
        raise ValueError(f"its vocabulary is {member.dtype} {member.shape}")
    points = npz.read(file, member)
    surrogates = (points >= 0xD800) & (points <= 0xDFFF)
    if not (points[1:] > points[:-1]).all() or points[-1] >= CODE_POINTS or surrogates.any():
        raise ValueError("its vocabulary is not a sorted list of code points")
    if level not in ("char", "byte") or (level == "byte" and not np.array_equal(points, range(256))):
        raise ValueError(f"its vocabulary of level {level!r} has {len(points)} entries")
    return Vocabulary(points, level)


def _config(values: dict[str, Any]) -> ModelConfig:
    kinds = {f.name: type(f.default) for f in fields(ModelConfig)}
    for name, value in values.items():
        if (
            name not in kinds
            or type(value) not in (kinds[name], int)
            or (kinds[name] is str) != isinstance(value, str)
        ):
            raise ValueError(f"its model has {name} = {value!r}")
    config = ModelConfig(**values)
    if config.cell not in cells.names():
        raise ValueError(f"its cell {config.cell!r} is none of {', '.join(cells.names())}")
    return config


def _check_names(members: Mapping[str, npz.Member], shapes: Mapping[str, tuple[int, ...]]) -> None:
    if members.keys() != shapes.keys():
        odd = sorted(members.keys() ^ shapes.keys())
        raise ValueError(f"arrays missing or not expected: {', '.join(map(repr, odd[:5]))}")


def _check_shape(
    name: str, member: npz.Member, layout: Layout, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Of the extra arrays: optim.N is like the parameters, state.carried the state of all streams."""
    config = layout.config
    shape: tuple[int, ...] | None = shapes.get(name)
    if name.startswith("optim."):
        shape = (layout.size,)
    elif name == "state.carried" and len(member.shape) == 2:
        shape = (member.shape[0], layout.carried_size)
    if member.shape != shape or member.dtype != np.dtype(config.dtype).str:
        raise ValueError(f"{name} is {member.dtype} {member.shape}, not {config.dtype} {shape}")


def _finite(name: str, array: Array) -> Array:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    return array
