"""The same model in PyTorch: torch.nn.RNN/GRU/LSTM on one-hot or embedded input, and a linear layer.

Imports torch, so only for `make_golden.py` and for tests that have made sure it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]
torch.set_num_threads(1)  # models this small are slower on more
KINDS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


class Twin(torch.nn.Module):
    """Its parameters carry the names of a checkpoint's arrays."""

    def __init__(self, cell: str, vocab: int, hidden: int, layers: int, embed: int = 0):
        super().__init__()
        if embed:
            self.embed = torch.nn.Embedding(vocab, embed)
        self.rnn = KINDS[cell](embed or vocab, hidden, layers, batch_first=True)
        self.out = torch.nn.Linear(hidden, vocab)
        self.vocab, self.embedded = vocab, bool(embed)
        self.double()

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Errors: RuntimeError unless names and shapes are exactly the model's."""
        tensors = {name: torch.from_numpy(np.array(a, np.float64)) for name, a in arrays.items()}
        self.load_state_dict(tensors, strict=True)

    def forward(self, ids: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """Logits (B, T, V).  Shapes: ids (B, T); state (states, L, B, H)."""
        one_hot = torch.nn.functional.one_hot
        x = self.embed(ids) if self.embedded else one_hot(ids, self.vocab).double()
        carried = (state[0], state[1]) if len(state) > 1 else state[0]
        return self.out(self.rnn(x, carried)[0])


def answer(twin: Twin, inputs: Array, targets: Array, state: Array) -> dict[str, Array]:
    """Weights, what went in, logits, mean loss, and its gradient by every parameter and by the state.

    Shapes: inputs, targets (B, T); state (L, states, B, H), as charrnn has it.
    """
    carried = torch.from_numpy(np.array(state, np.float64).swapaxes(0, 1)).requires_grad_()
    ids, next_ids = (torch.from_numpy(np.array(x, np.int64)) for x in (inputs, targets))
    twin.zero_grad()
    logits = twin(ids, carried)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), next_ids.flatten())
    loss.backward()
    parameters = dict(twin.named_parameters())
    return {
        **{name: p.detach().numpy().copy() for name, p in parameters.items()},
        **{f"grad {name}": p.grad.numpy().copy() for name, p in parameters.items()},
        "inputs": inputs.astype(np.int64),
        "targets": targets.astype(np.int64),
        "state": np.asarray(state, np.float64),
        "grad state": carried.grad.numpy().swapaxes(0, 1).copy(),
        "logits": logits.detach().numpy(),
        "loss": np.array(loss.item()),
    }
