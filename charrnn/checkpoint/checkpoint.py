"""A model with all that is known of it."""

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

VERSIONS = {"version": __version__, **LIBRARIES}  # which another's bits may depend on


@dataclass(frozen=True)
class Checkpoint:
    """A model, the vocabulary it speaks, and how it came about."""

    network: Network
    vocabulary: Vocabulary
    meta: dict[str, Any]  # format, versions, model; from training: corpus, training, metrics, command
    extra: dict[str, Array] = field(default_factory=dict)  # optim.* and state.*, to go on training

    @property
    def documents(self) -> str:
        """What ended those that it was trained on, one of config.DOCUMENTS; nothing for one text."""
        return str(self.meta.get("training", {}).get("documents", ""))

    def multiplied_in(self, dtype: str | None) -> Checkpoint:
        """The same weights with products of another type, of those that store them alike; None: as it is.

        Errors: UsageError; CharrnnError where the processor has no such products.
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
