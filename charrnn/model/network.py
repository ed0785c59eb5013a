"""A model in memory: its parameters, and a packed copy for matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array_types import Array
from ..config import ModelConfig
from ..errors import CharrnnError, field
from ..kernels import attention, model
from ..kernels.matmul import packed_size
from ..kernels.processor import HAS_BFLOAT16
from .layout import Layout

LINE = 64  # bytes


def arithmetic_note(config: ModelConfig) -> str:
    """Return a note if this processor replaces the model's arithmetic by another; else an empty string."""
    if config.dtype != "bfloat16" or HAS_BFLOAT16:
        return ""
    return "this processor cannot multiply bfloat16; computing with float32 on the same weights"


def refuse_without_bfloat16() -> None:
    """Raise a CharrnnError if the processor cannot multiply bfloat16."""
    if not HAS_BFLOAT16:
        raise CharrnnError(
            "this processor cannot multiply bfloat16 (no AVX512-BF16)", f"use {field('dtype', 'float32')}"
        )


def aligned(shape: int | tuple[int, ...], dtype: Any) -> Array:
    """Return zeros that start at a cache line, so that no vector spans two lines."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    zeros: Array = memory[start : start + size].view(dtype).reshape(shape)
    return zeros


class Network:
    """A model's parameters. A `Shard` runs sequences on them."""

    def __init__(
        self,
        config: ModelConfig,
        vocab_size: int,
        flat: Array | None = None,
        seed: int = 0,
        make: Callable[..., Array] = aligned,
    ):
        """flat: the parameters (Layout.size,), used without a copy; by default initialized from `seed`.

        make: called with shape and dtype, returns all other memory.
        """
        self.make = make
        self.config, self.vocab_size = config, vocab_size
        self.layout = Layout(config, vocab_size)
        self.cell = self.layout.cell
        self.flat = self.layout.initial(seed) if flat is None else flat
        self.weights = self.layout.views(self.flat)
        # bfloat16 products if the processor has them, else float32 products of the same weights
        self.pairs = config.dtype == "bfloat16" and HAS_BFLOAT16
        self.panels = self._panels()

    def _panels(self) -> model.Panels:
        """Allocate memory for the packed weights."""
        config, vocab = self.config, self.vocab_size
        hidden, layers, gates = config.hidden_size, config.num_layers, len(self.cell.input)

        def empty(shape: tuple[int, ...], depth: int, columns: int) -> Array:
            return self.make((*shape, self.packed_size(depth, columns)), self.factor)

        embedded, size = (gates if config.embed_size else 0,), config.attention_size
        looks = None
        if config.attention:
            looks = attention.Panels(
                project=empty((3,), hidden, size),
                out=empty((), size, vocab),
                project_back=empty((3,), size, hidden),
                out_back=empty((), vocab, size),
            )
        return model.Panels(
            input=empty(embedded, config.embed_size, hidden),
            stacked=empty((layers - 1, gates), hidden, hidden),
            recurrent=empty((layers, gates), hidden, hidden),
            out=empty((), hidden, vocab),
            input_back=empty(embedded, hidden, config.embed_size),
            stacked_back=empty((layers - 1, gates), hidden, hidden),
            recurrent_back=empty((layers, gates), hidden, hidden),
            out_back=empty((), vocab, hidden),
            attention=looks,
        )

    @property
    def factor(self) -> np.dtype[Any]:
        """The type of panels, and of copied left factors."""
        return np.dtype(np.uint32) if self.pairs else self.flat.dtype

    def packed_size(self, depth: int, columns: int) -> int:
        """Return the number of elements of a packed (depth, columns) matrix."""
        return packed_size(depth, columns, self.flat.dtype.itemsize, self.pairs)

    def pack(self, back: bool = True) -> None:
        """Pack the weights; call this after `flat` has changed.  back: also for `Shard.gradient`."""
        model.pack_weights(self.weights, self.panels, back)
