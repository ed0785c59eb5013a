"""Make a checkpoint from arrays of another program, checked like any untrusted file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .. import cells
from ..array_types import Array, Ids
from ..checkpoint.checkpoint import Checkpoint
from ..checkpoint.metadata import NewerFormat, parse
from ..checkpoint.reading import check, read_arrays, vocabulary_of
from ..config import ModelConfig, TrainConfig
from ..errors import CheckpointError, UsageError, field
from ..model import pytorch
from ..model.layout import Layout
from ..model.network import Network
from ..text.corpus import load as read_text
from ..text.vocabulary import Vocabulary
from . import safetensors_file

OF_GATES = {3: "gru", 4: "lstm"}
SAID = ("level", "vocabulary", "documents")
FIRST = "weight_ih_l0"


def read(path: Path, vocab: Path | None, cell: str | None) -> Checkpoint:
    """Import a model from a .safetensors or .npz file with the array names of PyTorch.

    vocab: the characters, if the file lacks them: a JSON list in the order of ids, or a text whose different
    characters are sorted, as in training.
    cell: needed for weights with one gate, which may be those of `rnn` or `rnn_relu`.
    Errors: CheckpointError; UsageError; CharrnnError without the safetensors library.
    """
    if path.suffix == ".safetensors":
        arrays, facts = safetensors_file.read(path)
        said = _said(path, facts)
    else:
        arrays = read_arrays(path)
        said = _of_meta(path, arrays.pop("meta", None))
    points = arrays.pop("vocab", None)
    characters = _characters(vocab) if vocab else said.get("vocabulary")
    if characters is None and points is not None:
        characters = points.tolist()
    if characters is None:
        raise UsageError(f"{path} does not list its characters", f"pass them with {field('vocab')}")
    try:
        return _made(_renamed(arrays), characters, said, cell or said.get("cell"))
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise CheckpointError(f"{path} is not a model that charrnn can import: {error}") from None


def _said(path: Path, facts: Mapping[str, str]) -> dict[str, Any]:
    """Return what charrnn's metadata contain, if there are any."""
    try:
        said = {name: json.loads(facts[name]) for name in SAID if name in facts}
        if "config" in facts:
            said["cell"] = str(json.loads(facts["config"])["cell"])
        return said
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} has metadata that cannot be read: {error}") from None


def _of_meta(path: Path, meta: Array | None) -> dict[str, Any]:
    """Return the same for the arrays of a checkpoint, which NumPy may have changed."""
    if meta is None:
        return {}
    try:
        facts = parse(meta.tobytes())
    except (ValueError, NewerFormat, RecursionError) as error:
        raise CheckpointError(f"{path} has metadata that cannot be read: {error}") from None
    documents = facts.get("training", {}).get("documents", "")
    return {"level": facts.get("level", "char"), "cell": facts["model"].get("cell"), "documents": documents}


def _characters(vocab: Path) -> list[int]:
    if vocab.suffix != ".json":
        return list(read_text([vocab]).vocabulary.points.tolist())
    try:
        characters = json.loads(vocab.read_text(encoding="utf-8"))
        if isinstance(characters, dict):  # character: id
            characters = sorted(characters, key=characters.__getitem__)
        return [ord(character) for character in characters]
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{field('vocab')} {vocab} is not a list of characters: {error}", 'write for example ["a", "b"]'
        ) from None


def _renamed(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays under charrnn's names: layers have any name, but parameters those of nn.LSTM."""
    firsts = [name for name in arrays if name.endswith(FIRST)]
    if len(firsts) != 1:
        raise ValueError(f"{len(firsts)} arrays end in {FIRST}, but it must be exactly one")
    prefix = firsts[0].removesuffix(FIRST)
    inner = {name.removeprefix(prefix): name for name in arrays if name.startswith(prefix)}
    recurrent = {
        name for name in inner if name.startswith(("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l"))
    }
    if odd := [name for name in inner if name.endswith("_reverse") or (prefix and name not in recurrent)]:
        raise ValueError(
            f"{inner[min(odd)]} does not belong to a network that reads in one direction, without projections"
        )
    renamed = {f"rnn.{name}": arrays[inner[name]] for name in recurrent}
    rest = {name: array for name, array in arrays.items() if name not in {inner[name] for name in recurrent}}
    renamed |= {name: rest.pop(name) for name in list(rest) if name.startswith("attn.")}
    inputs = renamed[f"rnn.{FIRST}"].shape[1]
    for name in sorted(rest):
        part, _, kind = name.rpartition(".")
        if kind == "weight" and f"{part}.bias" in rest:
            if "out.weight" in renamed:
                raise ValueError(
                    "two layers have weight and bias, but a charrnn model has only one, its output layer"
                )
            renamed |= {"out.weight": rest.pop(name), "out.bias": rest.pop(f"{part}.bias")}
    for name in sorted(rest):
        if rest[name].ndim == 2 and rest[name].shape[1] == inputs and "embed.weight" not in renamed:
            renamed["embed.weight"] = rest.pop(name)
    if rest:
        raise ValueError(f"{', '.join(sorted(rest)[:3])} has no place in a charrnn model")
    if "out.weight" not in renamed:
        raise ValueError("there is no output layer, with weight and bias")
    return renamed


def _made(
    arrays: dict[str, Array], characters: list[int], said: Mapping[str, Any], cell: str | None
) -> Checkpoint:
    rows, h = arrays["rnn.weight_hh_l0"].shape
    if not h:
        raise ValueError("its layers have 0 units")
    gates = rows // h
    if not cell and gates == 1:
        raise UsageError("a network with one gate may be rnn or rnn_relu", f"set {field('cell')}")
    cell = cell or OF_GATES.get(gates)
    if cell not in cells.names():
        raise ValueError(f"no cell has {gates} gates")
    layers = sum(name.startswith("rnn.weight_hh_l") for name in arrays)
    for layer in range(layers):  # modules with bias=False have none
        for kind in ("ih", "hh"):
            zero = np.zeros(len(arrays[f"rnn.weight_hh_l{layer}"]), arrays["out.weight"].dtype)
            arrays.setdefault(f"rnn.bias_{kind}_l{layer}", zero)
    embed = arrays["embed.weight"].shape[1] if "embed.weight" in arrays else 0
    window = len(arrays["attn.lag.bias"]) if "attn.lag.bias" in arrays else 0
    dtype = "float64" if arrays["out.weight"].dtype == np.float64 else "float32"
    config = ModelConfig(cell, h, layers, embed, 0.0, dtype, window)
    vocabulary, order = _vocabulary(characters, said.get("level", "char"))
    layout = Layout(config, len(vocabulary))
    check({name: (array.shape, array.dtype.str) for name, array in arrays.items()}, layout)
    if odd := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise ValueError(f"{odd[0]} has values that are not finite")
    flat = pytorch.load(layout, arrays)
    if not np.isfinite(flat).all():
        raise ValueError("a sum of two biases is not finite")
    for rows in pytorch.by_character(layout, flat).values():
        rows[...] = rows[order]
    meta: dict[str, Any] = {"model": asdict(config), "command": "charrnn import"}
    if said.get("documents"):
        meta["training"] = {"documents": TrainConfig(documents=said["documents"]).documents}
    return Checkpoint(Network(config, len(vocabulary), flat), vocabulary, meta)


def _vocabulary(characters: list[int], level: str) -> tuple[Vocabulary, Ids]:
    """Return the sorted vocabulary, and the previous index of each of its characters."""
    if not characters or not all(isinstance(c, int) and 0 <= c < 0x110000 for c in characters):
        raise ValueError("its vocabulary is not a list of characters")
    points = np.array(characters, np.uint32)
    order = np.argsort(points)
    points = points[order]
    return vocabulary_of(points, level), order
