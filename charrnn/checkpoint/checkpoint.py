"""Checkpoints: a model with everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..array_types import Array
from ..errors import UsageError
from ..errors import field as name
from ..kernels.jit import VERSIONS as LIBRARIES
from ..model.network import Network, refuse_without_bfloat16
from ..text.vocabulary import Vocabulary
from ..version import __version__

VERSIONS = {"version": __version__, **LIBRARIES}  # that the bits of a result may depend on


@dataclass(frozen=True)
class Checkpoint:
    """A model, its vocabulary, and how it was made."""

    network: Network
    vocabulary: Vocabulary
    meta: dict[str, Any]  # format, versions, model; from training: corpus, training, metrics, command
    extra: dict[str, Array] = field(default_factory=dict)  # optim.* and state.*, to resume training

    @property
    def documents(self) -> str:
        """What ended the documents of its training text, one of config.DOCUMENTS; empty for a plain text."""
        return str(self.meta.get("training", {}).get("documents", ""))

    def multiplied_in(self, dtype: str | None) -> Checkpoint:
        """Return the model with matrix products of another type but the same storage; None: unchanged.

        Errors: UsageError; CharrnnError if the processor has no such products.
        """
        config = self.network.config
        if dtype is None or dtype == config.dtype:
            return self
        other = replace(config, dtype=dtype)
        if other.storage != config.storage:
            raise UsageError(
                f"{name('dtype')} is {dtype}, but the weights are {config.storage}", "leave it out"
            )
        if dtype == "bfloat16":
            refuse_without_bfloat16()
        return replace(self, network=Network(other, len(self.vocabulary), self.network.flat))
