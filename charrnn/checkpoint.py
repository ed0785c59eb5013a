"""Models in .npz files that numpy.load reads without pickle, with all that is needed to go on with them."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from . import __version__, cells, npz
from .config import ModelConfig
from .errors import CheckpointError, UsageError
from .kernels.jit import VERSIONS as LIBRARIES
from .meta import FORMAT, LONGEST_META, TABLES, NewerFormat, parse
from .network import Network
from .parameters import Array, Layout
from .text import CODE_POINTS, Vocabulary

VERSIONS = {"version": __version__, **LIBRARIES}  # which another's bits may depend on
FULL = "make room on the disk"
REMEDIES = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EFBIG: "train a smaller model"}
LONGEST_REASON = 300  # characters


@dataclass(frozen=True)
class Checkpoint:
    """A model, the vocabulary it speaks, and how it came about."""

    network: Network
    vocabulary: Vocabulary
    meta: dict[str, Any]  # format, versions, model; from training: corpus, training, metrics, command
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
    meta = {"format": FORMAT, **VERSIONS, "model": asdict(network.config)}
    meta |= {"level": checkpoint.vocabulary.level} | checkpoint.meta
    arrays = network.layout.export(network.flat) | checkpoint.extra
    arrays["vocab"] = checkpoint.vocabulary.points
    text = json.dumps(meta).encode()
    try:
        parse(text)  # what is written can be read
        arrays["meta"] = np.frombuffer(text, np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        npz.write(path, arrays)
    except ValueError as error:
        raise CheckpointError(f"{path} could not be written: {error}") from error
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "choose another --out")
        reason = f"{path} could not be written: {error.strerror or error}"
        raise CheckpointError(reason, f"{remedy}; what was saved before is intact") from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, which may come from a stranger: all is checked before anything is allocated.

    Errors: CheckpointError that says what is wrong with the file.  Cost: memory for the file and its model.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe or a device may never end, and may not even open
            kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
            raise CheckpointError(f"{path} is {kind}", "name a checkpoint, which ends in .npz")
        with path.open("rb") as file:
            return _load(file)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}", "check the path") from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror or error}", "check that it may be read"
        ) from None
    except NewerFormat as error:
        raise CheckpointError(f"{path} {error}", "update charrnn") from None
    except MemoryError:
        raise CheckpointError(f"{path} is too large for the memory there is") from None
    except (ValueError, UsageError, RecursionError) as error:
        reason = str(error)[:LONGEST_REASON]  # which may quote the file
        raise CheckpointError(
            f"{path} is no charrnn checkpoint: {reason}", "name a .npz file that charrnn train wrote"
        ) from None


def _load(file: IO[bytes]) -> Checkpoint:
    members = npz.members(file)
    if not members.keys() >= {"meta", "vocab"}:
        raise ValueError("it has not both meta and vocab")
    meta = _meta(file, members.pop("meta"))
    vocabulary = _vocabulary(file, members.pop("vocab"), meta.get("level", "char"))
    config = _config(meta["model"])
    meta["model"] = asdict(config)
    if config.num_layers > len(members):
        raise ValueError(f"it has {len(members)} arrays for {config.num_layers} layers")
    layout = Layout(config, len(vocabulary))
    _check_arrays(members, layout)
    extra = {name: members.pop(name) for name in list(members) if name.startswith(("optim.", "state."))}
    with np.errstate(over="ignore"):  # two finite biases may have a sum that is not
        flat = layout.load(_arrays(file, members))
    network = Network(config, len(vocabulary), _finite("a sum of two biases", flat))
    return Checkpoint(network, vocabulary, meta, _arrays(file, extra))


def _meta(file: IO[bytes], member: npz.Member) -> dict[str, Any]:
    if member.dtype != "|u1" or len(member.shape) != 1 or member.nbytes > LONGEST_META:
        raise ValueError("its meta is not JSON, or too long")
    return parse(npz.read(file, member).tobytes())


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
    config = ModelConfig(**{name: type(TABLES["model"][name])(value) for name, value in values.items()})
    if config.cell not in cells.names():
        raise ValueError(f"its cell {config.cell!r} is none of {', '.join(cells.names())}")
    return config


def _check_arrays(members: Mapping[str, npz.Member], layout: Layout) -> None:
    """Errors: ValueError for an array too many, too few or of another shape.

    optim.N is like the parameters, state.carried what each stream carries (B, Layout.carried_size).
    """
    config = layout.config
    shapes = layout.exported_shapes()
    slots = sum(name.startswith("optim.") for name in members)
    shapes |= {f"optim.{slot}": (layout.size,) for slot in range(slots)}
    if "state.carried" in members:
        streams = members["state.carried"].shape[:1] or (0,)
        shapes["state.carried"] = (*streams, layout.carried_size)
    if members.keys() != shapes.keys():
        odd = sorted(members.keys() ^ shapes.keys())
        raise ValueError(f"arrays missing or not expected: {', '.join(map(repr, odd[:5]))}")
    for name, member in members.items():
        if member.shape != shapes[name] or member.dtype != np.dtype(config.dtype).str:
            found = f"{member.dtype} {member.shape}"
            raise ValueError(f"{name} is {found}, not {config.dtype} {shapes[name]}")


def _arrays(file: IO[bytes], members: Mapping[str, npz.Member]) -> dict[str, Array]:
    return {name: _finite(name, npz.read(file, member)) for name, member in members.items()}


def _finite(name: str, array: Array) -> Array:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    return array
