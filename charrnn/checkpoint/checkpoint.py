"""A model with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..array_types import Array
from ..kernels.jit import VERSIONS as LIBRARIES
from ..model.network import Network
from ..text.vocabulary import Vocabulary
from ..version import __version__

VERSIONS = {"version": __version__, **LIBRARIES}  # which another's bits may depend on


@dataclass(frozen=True)
class Checkpoint:
    """A model, the vocabulary it speaks, and how it came about."""

    network: Network
    vocabulary: Vocabulary
    meta: dict[str, Any]  # format, versions, model; from training: corpus, training, metrics, command
    extra: dict[str, Array] = field(default_factory=dict)  # optim.* and state.*, to go on training
