"""Load checkpoints, which may come from strangers, and refuse invalid ones."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from .. import cells
from ..array_types import Array
from ..config import ModelConfig
from ..errors import CheckpointError, UsageError
from ..model import pytorch
from ..model.layout import Layout, Shape
from ..model.network import Network
from ..text.vocabulary import CODE_POINTS, Vocabulary
from . import npz
from .checkpoint import Checkpoint
from .metadata import LONGEST_META, TABLES, NewerFormat, parse

LONGEST_REASON = 300  # characters
REWRITTEN = "stored.npz"  # a name for the copy that NumPy stores


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, which may come from a stranger: everything is checked before memory is allocated.

    Errors: CheckpointError that says what is wrong with the file.  Cost: memory for the file and its model.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe or a device may never end, and may not even open
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise CheckpointError(f"{path} is {kind}", "choose a checkpoint (.npz)")
        with path.open("rb") as file:
            return _load(file)
    except FileNotFoundError:
        meant = path.with_name(f"{path.name}.npz")
        remedy = f"did you mean {meant}?" if meant.is_file() else "check the path"
        raise CheckpointError(f"there is no file {path}", remedy) from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror or error}", "check its permissions"
        ) from None
    except NewerFormat as error:
        raise CheckpointError(f"{path} {error}", "update charrnn") from None
    except MemoryError:
        raise CheckpointError(f"{path} is too large for the available memory") from None
    except npz.OtherPacking as error:
        anew = f"import numpy; numpy.savez({REWRITTEN!r}, **numpy.load({str(path)!r}))"
        raise CheckpointError(
            f"{path} cannot be read in this form: {str(error)[:LONGEST_REASON]}",
            f"convert it with NumPy: python -c {shlex.quote(anew)}",
        ) from None
    except (ValueError, UsageError, RecursionError) as error:
        reason = str(error)[:LONGEST_REASON]  # which may quote the file
        raise CheckpointError(
            f"{path} is not a charrnn checkpoint: {reason}", "choose a .npz file that charrnn train wrote"
        ) from None


def _load(file: IO[bytes]) -> Checkpoint:
    members = npz.members(file)
    if not members.keys() >= {"meta", "vocab"}:
        raise ValueError("it lacks meta or vocab")
    meta = _meta(file, members.pop("meta"))
    vocabulary = _vocabulary(file, members.pop("vocab"), meta.get("level", "char"))
    config = _config(meta["model"])
    meta["model"] = asdict(config)
    if config.num_layers > len(members):
        raise ValueError(f"it has {len(members)} arrays for {config.num_layers} layers")
    layout = Layout(config, len(vocabulary))
    _check_arrays(members, layout)
    extra = {name: members.pop(name) for name in list(members) if name.startswith(("optim.", "state."))}
    with np.errstate(over="ignore"):  # the sum of two finite biases may be infinite
        flat = pytorch.load(layout, _arrays(file, members))
    network = Network(config, len(vocabulary), _finite("a sum of two biases", flat))
    return Checkpoint(network, vocabulary, meta, _arrays(file, extra))


def _meta(file: IO[bytes], member: npz.Member) -> dict[str, Any]:
    if member.dtype != "|u1" or len(member.shape) != 1 or member.nbytes > LONGEST_META:
        raise ValueError("its meta is not JSON, or is too long")
    return parse(npz.read(file, member).tobytes())


def _vocabulary(file: IO[bytes], member: npz.Member, level: str) -> Vocabulary:
    if member.dtype != "<u4" or len(member.shape) != 1 or not 0 < member.shape[0] <= CODE_POINTS:
        raise ValueError(f"its vocabulary is {member.dtype} {member.shape}")
    return vocabulary_of(npz.read(file, member), level)


def vocabulary_of(points: Array, level: str) -> Vocabulary:
    """Return a vocabulary of code points or bytes (N,).  Errors: ValueError if they are not valid."""
    surrogates = (points >= 0xD800) & (points <= 0xDFFF)
    if not (points[1:] > points[:-1]).all() or points[-1] >= CODE_POINTS or surrogates.any():
        raise ValueError("its vocabulary is not a sorted list of code points")
    if level not in ("char", "byte") or (level == "byte" and not np.array_equal(points, range(256))):
        raise ValueError(f"its vocabulary of level {level!r} has {len(points)} entries")
    return Vocabulary(points, level)


def _config(values: dict[str, Any]) -> ModelConfig:
    config = ModelConfig(**{name: type(TABLES["model"][name])(value) for name, value in values.items()})
    if config.cell not in cells.names():
        raise ValueError(f"its cell {config.cell!r} is not one of {', '.join(cells.names())}")
    return config


def _check_arrays(members: Mapping[str, npz.Member], layout: Layout) -> None:
    """Raise ValueError for a missing or unexpected array, or one with a wrong shape.

    optim.N has the size of the parameters; state.carried is (B, Layout.carried_size).
    """
    shapes = pytorch.exported_shapes(layout)
    slots = sum(name.startswith("optim.") for name in members)
    shapes |= {f"optim.{slot}": (layout.size,) for slot in range(slots)}
    if "state.carried" in members:
        streams = members["state.carried"].shape[:1] or (0,)
        shapes["state.carried"] = (*streams, layout.carried_size)
    check({name: (member.shape, member.dtype) for name, member in members.items()}, layout, shapes)


def check(
    found: Mapping[str, tuple[Shape, str]], layout: Layout, shapes: Mapping[str, Shape] | None = None
) -> None:
    """Raise ValueError unless shapes and types, by name, are those of a model or of `shapes`."""
    shapes, storage = shapes or pytorch.exported_shapes(layout), layout.config.storage
    if found.keys() != shapes.keys():
        odd = sorted(found.keys() ^ shapes.keys())
        raise ValueError(f"missing or unexpected arrays: {', '.join(map(repr, odd[:5]))}")
    for name, (shape, dtype) in found.items():
        if shape != shapes[name] or dtype != np.dtype(storage).str:
            raise ValueError(f"{name} is {dtype} {shape}, not {storage} {shapes[name]}")


def read_arrays(path: Path) -> dict[str, Array]:
    """Read all arrays of a .npz file, whatever their names; never pickles.  Errors: CheckpointError."""
    try:
        with path.open("rb") as file:
            return {name: npz.read(file, member) for name, member in npz.members(file).items()}
    except (OSError, ValueError, npz.OtherPacking, MemoryError) as error:
        raise CheckpointError(f"{path} cannot be read as .npz: {str(error)[:LONGEST_REASON]}") from None


def _arrays(file: IO[bytes], members: Mapping[str, npz.Member]) -> dict[str, Array]:
    return {name: _finite(name, npz.read(file, member)) for name, member in members.items()}


def _finite(name: str, array: Array) -> Array:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    return array
