"""The same model in PyTorch: torch.nn.RNN/GRU/LSTM on one-hot or embedded input, attention, a linear layer.

Imports torch, so only for `make_golden.py` and for tests that have made sure it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]
torch.set_num_threads(1)  # models this small are slower on more
KINDS = {
    "rnn": torch.nn.RNN,
    "rnn_relu": partial(torch.nn.RNN, nonlinearity="relu"),
    "gru": torch.nn.GRU,
    "lstm": torch.nn.LSTM,
}


class Attention(torch.nn.Module):
    """The logits' part that comes from looking back on `window` steps, none of them before the chunk."""

    def __init__(self, vocab: int, hidden: int, window: int):
        super().__init__()
        size = min(hidden, 32)
        self.query, self.key, self.value = (torch.nn.Linear(hidden, size, bias=False) for _ in range(3))
        self.lag = torch.nn.ParameterDict({"bias": torch.nn.Parameter(torch.randn(window))})
        self.out = torch.nn.Linear(size, vocab, bias=False)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(h.shape[1])
        lags = steps[:, None] - steps
        seen = (lags >= 0) & (lags < len(self.lag["bias"]))
        bias = self.lag["bias"][torch.where(seen, lags, 0)].masked_fill(~seen, -torch.inf)
        q, k, v = self.query(h), self.key(h), self.value(h)
        e = q @ k.mT / k.shape[-1] ** 0.5 + bias
        return self.out(torch.softmax(e, dim=-1) @ v)


class Twin(torch.nn.Module):
    """Its parameters carry the names of a checkpoint's arrays."""

    def __init__(self, cell: str, vocab: int, hidden: int, layers: int, embed: int = 0, attention: int = 0):
        super().__init__()
        if embed:
            self.embed = torch.nn.Embedding(vocab, embed)
        self.rnn = KINDS[cell](embed or vocab, hidden, layers, batch_first=True)
        self.out = torch.nn.Linear(hidden, vocab)
        if attention:
            self.attn = Attention(vocab, hidden, attention)
        self.vocab, self.embedded, self.attends = vocab, bool(embed), bool(attention)
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
        h = self.rnn(x, carried)[0]
        return self.out(h) + self.attn(h) if self.attends else self.out(h)


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
