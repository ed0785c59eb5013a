"""Compare the gradient of the training kernels with finite differences of their loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..array_types import Array
from ..config import CHECKED, GradcheckConfig, ModelConfig, one_of
from ..model.network import Network
from ..model.pytorch import named
from ..model.shard import Shard
from .tensor_elements import CARRIED, element

LEVELS = 5  # levels of Richardson's extrapolation
# errors of smaller gradients are relative to this, because differences have noise of 1e-13, or 1e-5
FLOOR = {"float64": 1e-4, "float32": 1e-2}


@dataclass(frozen=True)
class Row:
    """The result for one tensor, with its worst element."""

    cell: str
    num_layers: int
    tensor: str
    elements: int
    largest: float  # error |a - n| / max(|a| + |n|, FLOOR); infinite if a or n is not finite
    passed: bool
    index: tuple[int, ...]  # index of the worst element
    place: str  # its gate or block, by the cell's name, and its unit
    analytic: float
    numeric: float


def check(model: ModelConfig, config: GradcheckConfig) -> Iterator[Row]:
    """Compare the gradient of every parameter and of the carried state, for random text and weights.

    The numerical gradient is Richardson's extrapolation of central differences
    d(e) = (f(x + e) - f(x - e)) / 2e at e = eps, eps/2 .. eps/16, with an error of O(eps^10).
    Cost: ten forward passes for each element.
    """
    one_of("dtype", model.dtype, CHECKED)
    problem = Problem(model, config)
    for tensor, values, analytic in problem.tensors():
        numeric = problem.numeric(values, config.eps)
        error = np.abs(analytic - numeric) / np.maximum(
            np.abs(analytic) + np.abs(numeric), FLOOR[model.dtype]
        )
        error = np.where(np.isfinite(error), error, np.inf)
        index = tuple(int(i) for i in np.unravel_index(error.argmax(), error.shape))
        yield Row(
            cell=model.cell,
            num_layers=model.num_layers,
            tensor=tensor,
            elements=values.size,
            largest=float(error[index]),
            passed=bool(error[index] < config.tol),
            index=index,
            place=element(problem.network.layout, tensor, index),
            analytic=float(analytic[index]),
            numeric=float(numeric[index]),
        )


def extrapolate(differences: list[float]) -> float:
    """Extrapolate central differences at e, e/2, e/4 ... to e -> 0; their errors have terms e^2, e^4, ..."""
    for order in range(1, len(differences)):
        differences = [(4**order * b - a) / (4**order - 1) for a, b in pairwise(differences)]
    return differences[0]


class Problem:
    """A small network, a text with repeated characters, a nonzero carried state, fixed dropout masks."""

    def __init__(self, model: ModelConfig, config: GradcheckConfig):
        rng = np.random.default_rng(config.seed)
        vocab = config.vocab_size
        self.network = Network(model, vocab, seed=config.seed)
        self.network.flat[...] = rng.uniform(-0.5, 0.5, self.network.flat.size)
        text = rng.integers(0, vocab, (config.batch_size, config.seq_len + 1))
        text[:, 1] = text[:, 0]  # at least one character occurs twice in a sequence
        self.inputs, self.targets = text[:, :-1], text[:, 1:]
        self.shard = Shard(self.network, config.batch_size, config.seq_len, dropout=True)
        self.state: Array = rng.uniform(-0.8, 0.8, self.shard.carried.shape).astype(model.storage)
        if model.attention:  # sequence b carries b steps less than fit
            carried = self.network.layout.carried_views(self.state)["steps_carried"]
            carried[:, 0] = np.maximum(0, model.attention - 1 - np.arange(config.batch_size))
        self.key = int(rng.integers(1 << 63))

    def gradient(self) -> tuple[Array, Array]:
        """Return analytic gradients of the parameters (Layout.size,) and of the carried `state`."""
        self._set()
        grad = np.zeros_like(self.network.flat)
        views, scale = self.network.layout.views(grad), 1 / self.inputs.size
        self.shard.gradient(self.inputs, self.targets, grad, views, scale, self.key)
        return grad, self.shard.carried_gradient(self.inputs.shape[1])

    def loss(self) -> float:
        """Return nats per character from the forward pass of training."""
        self._set()
        return self.shard.loss(self.inputs, self.targets, self.key) / self.inputs.size

    def _set(self) -> None:
        self.network.pack()
        self.shard.carried = self.state

    def tensors(self) -> Iterator[tuple[str, Array, Array]]:
        """Yield (name, values, analytic gradient) of each tensor to check; `values` are views."""
        grad, dstate = self.gradient()
        layout = self.network.layout
        for (name, values), analytic in zip(
            named(layout, self.network.flat).items(), named(layout, grad).values(), strict=True
        ):
            yield name, values, analytic
        carried, gradients = layout.carried_views(self.state), layout.carried_views(dstate)
        for part, name in CARRIED.items():
            if part in carried and carried[part].size:
                yield name, carried[part], gradients[part]

    def numeric(self, values: Array, eps: float) -> Array:
        """Return the numerical gradient of `loss` for each element of `values`, which are restored."""
        result = np.zeros(values.shape)
        for index in np.ndindex(values.shape):
            e = self._within_corners(values, index, eps)
            result[index] = extrapolate([self._difference(values, index, e / 2**i) for i in range(LEVELS)])
        return result

    def _within_corners(self, values: Array, index: tuple[int, ...], eps: float) -> float:
        """Halve eps until no unit with a corner is on at one end of the difference and off at the other."""
        if not self.network.cell.corners:
            return eps
        units = self.shard.work(self.inputs.shape[1]).s[:, 0]
        before = values[index]
        while True:
            on = []
            for value in (before - eps, before, before + eps):
                values[index] = value
                self.loss()
                on.append(units > 0)
            values[index] = before
            if (on[0] == on[1]).all() and (on[1] == on[2]).all():
                return eps
            eps /= 2

    def _difference(self, values: Array, index: tuple[int, ...], eps: float) -> float:
        before = values[index]
        values[index] = above = before + eps
        loss_above = self.loss()
        values[index] = below = before - eps
        loss_below = self.loss()
        values[index] = before
        return (loss_above - loss_below) / float(values.dtype.type(above) - values.dtype.type(below))
