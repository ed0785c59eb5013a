"""Write golden_torch.npz: PyTorch's results, for tests on machines without PyTorch.

    python tests/make_golden.py        (needs torch; the CPU build does)

Keys are "CASE/NAME", in float64. For each case CELL-LAYERS, some with embedding or attention: the weights
under a checkpoint's names (biases in PyTorch's two parts), inputs and targets (B, T), the carried state
(L, states, B, H), logits (B, T, V), the mean loss, and "grad NAME" of every parameter and of the state.
For the case adam: start, the gradients of 100 steps, lr, and the values after each step of torch.optim.Adam.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
import torch_twin

HIDDEN, VOCAB, BATCH, STEPS = 6, 9, 3, 7
CASES = [(cell, layers, 0, 0) for cell in torch_twin.KINDS for layers in (1, 2)] + [("gru", 2, 4, 0)]
CASES += [("gru", 2, 0, 3), ("lstm", 1, 4, 9)]  # windows shorter and longer than the text


def case(cell: str, layers: int, embed: int, attention: int) -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    twin = torch_twin.Twin(cell, VOCAB, HIDDEN, layers, embed, attention)
    text = rng.integers(0, VOCAB, (BATCH, STEPS + 1))
    state = rng.uniform(-0.9, 0.9, (layers, 2 if cell == "lstm" else 1, BATCH, HIDDEN))
    return torch_twin.answer(twin, text[:, :-1], text[:, 1:], state)


OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "momentum": functools.partial(torch.optim.SGD, momentum=0.9),
    "sgd": torch.optim.SGD,
}


def optimizer(
    name: str, decay: float, steps: int = 100, size: int = 40, lr: float = 0.01
) -> dict[str, np.ndarray]:
    """The parameters after each of the steps, for gradients from far below epsilon to large."""
    rng = np.random.default_rng(1)
    start = rng.standard_normal(size)
    grads = rng.standard_normal((steps, size)) * np.logspace(-9, 1, size)
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimiser = OPTIMIZERS[name]([parameter], lr=lr, weight_decay=decay)
    values = []
    for grad in grads:
        parameter.grad = torch.from_numpy(grad.copy())
        optimiser.step()
        values.append(parameter.detach().numpy().copy())
    settings = {"lr": np.array(lr), "decay": np.array(decay)}
    return {"start": start, "grads": grads, "values": np.array(values)[[0, 1, 9, 99]], **settings}


def main() -> None:
    cases = {
        f"{cell}-{layers}{'-embed' * bool(e)}{'-attention' * bool(a)}": case(cell, layers, e, a)
        for cell, layers, e, a in CASES
    }
    steps = {f"{name}-{decay}": optimizer(name, decay) for name in OPTIMIZERS for decay in (0.0, 0.1)}
    arrays = {
        f"{name}/{key}": array for name, entries in (cases | steps).items() for key, array in entries.items()
    }
    np.savez_compressed(Path(__file__).parent / "golden_torch.npz", **arrays)


if __name__ == "__main__":
    main()
