"""Prepare a trained model for a new text: keep its weights, and add characters that it lacks."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from ..checkpoint.checkpoint import Checkpoint
from ..config import ModelConfig
from ..errors import TextError, UsageError, field
from ..model.network import Network
from ..model.pytorch import by_character, named
from ..text.corpus import Corpus
from ..text.vocabulary import NEAR, Vocabulary, known_otherwise


def adapt(
    checkpoint: Checkpoint, model: ModelConfig, corpus: Corpus, extend: bool, seed: int
) -> tuple[Network, Corpus]:
    """Return the network with every character of its own and of the corpus, and the corpus in those ids.

    A character keeps its weights even if its id changes; new ones start as in an untrained model.
    model: of the same shapes.  extend: whether to add new characters; otherwise they raise a TextError that
    lists them.
    """
    old, new = checkpoint.vocabulary, corpus.vocabulary
    if model.storage != checkpoint.network.config.storage:
        raise UsageError(
            f"{field('dtype')} is {model.dtype}, but the model's parameters are "
            f"{checkpoint.network.config.storage}",
            "leave it out",
        )
    added = np.setdiff1d(new.points, old.points)
    if old.level != new.level:
        raise TextError(
            f"the model reads {old.level}s, but the text was read as {new.level}s",
            f"use {field('level', old.level)}",
        )
    if added.size and not extend:
        shown = ", ".join(repr(chr(point)) for point in added[:5])
        hint = _known_otherwise(corpus, int(added[0]), old)
        raise TextError(
            f"the text has {added.size} characters that the model lacks: {shown}",
            f"{hint}use the text it was trained on, or start a new run with {field('init_from')} and "
            f"{field('extend_vocab')}",
        )
    if np.array_equal(old.points, new.points):
        return Network(model, len(old), checkpoint.network.flat), corpus
    vocabulary = Vocabulary(np.union1d(old.points, new.points).astype(np.uint32), old.level)
    ids_of = np.searchsorted(vocabulary.points, new.points).astype(np.min_scalar_type(len(vocabulary) - 1))
    network = _grown(checkpoint.network, model, old, vocabulary, seed)
    return network, replace(corpus, ids=ids_of[corpus.ids], vocabulary=vocabulary)


def _known_otherwise(corpus: Corpus, point: int, old: Vocabulary) -> str:
    """Return how to write the first `point` with characters that a vocabulary has, or an empty string."""
    at = int(np.argmax(corpus.vocabulary.points[corpus.ids] == point))
    begin = max(0, at - NEAR)
    near = corpus.vocabulary.points[corpus.ids[begin : at + NEAR]]
    hint = known_otherwise(near, at - begin, old, True)
    return f"{hint}, or " if hint else ""


def digest(checkpoint: Checkpoint) -> str:
    """Return a digest of weights and vocabulary: all that a model that starts from this one inherits."""
    sha256 = hashlib.sha256(checkpoint.vocabulary.points.data)
    sha256.update(checkpoint.network.flat.data)
    return sha256.hexdigest()


def _grown(network: Network, model: ModelConfig, old: Vocabulary, new: Vocabulary, seed: int) -> Network:
    grown = Network(model, len(new), seed=seed)
    rows = np.searchsorted(new.points, old.points)
    mine, theirs = (by_character(each.layout, each.flat) for each in (grown, network))
    for name, values in named(network.layout, network.flat).items():
        if name in mine:
            mine[name][rows] = theirs[name]
        else:
            named(grown.layout, grown.flat)[name][...] = values
    return grown
