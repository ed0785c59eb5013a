"""Oracle for the forward pass: the equations in the cells' docstrings, in float64, step by step.

Every function takes the arrays of a checkpoint as `pytorch.named` names them, and neither imports nor
resembles the code under test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Step = Callable[[Array, Array, Array, Array, Array], Array]


def sigmoid(x: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(x / 2)


def rnn(x: Array, s: Array, w_ih: Array, w_hh: Array, b: Array) -> Array:
    """One step of one sequence: input x (I,), states s (1, H); returns the new states."""
    return np.tanh(w_ih @ x + w_hh @ s[0] + b)[None]


def rnn_relu(x: Array, s: Array, w_ih: Array, w_hh: Array, b: Array) -> Array:
    return np.maximum(0, w_ih @ x + w_hh @ s[0] + b)[None]


def gru(x: Array, s: Array, w_ih: Array, w_hh: Array, b: Array) -> Array:
    b_r, b_z, b_in, b_hn = np.split(b, 4)
    xr, xz, xn = np.split(w_ih @ x, 3)
    hr, hz, hn = np.split(w_hh @ s[0], 3)
    r = sigmoid(xr + hr + b_r)
    z = sigmoid(xz + hz + b_z)
    n = np.tanh(xn + b_in + r * (hn + b_hn))
    return ((1 - z) * n + z * s[0])[None]


def lstm(x: Array, s: Array, w_ih: Array, w_hh: Array, b: Array) -> Array:
    i, f, g, o = np.split(w_ih @ x + w_hh @ s[0] + b, 4)
    c = sigmoid(f) * s[1] + sigmoid(i) * np.tanh(g)
    return np.stack([sigmoid(o) * np.tanh(c), c])


def attention(h: Array, w: Mapping[str, Array]) -> Array:
    """Return the contexts (T, A) for the outputs h (T, H) of one sequence from its first step."""
    q, k, v = (h @ w[f"attn.{name}.weight"].T for name in ("query", "key", "value"))
    lag, c = w["attn.lag.bias"], np.empty_like(v)
    for t in range(len(h)):
        seen = np.arange(max(0, t - len(lag) + 1), t + 1)
        e = k[seen] @ q[t] / np.sqrt(len(q[t])) + lag[t - seen]
        p = np.exp(e - e.max())
        c[t] = (p / p.sum()) @ v[seen]
    return c


def _step(cell: str) -> Step:
    """The function of that name."""
    step: Step = globals()[cell]
    return step


def forward(cell: str, arrays: Mapping[str, NDArray], ids: NDArray, state: NDArray) -> tuple[Array, Array]:
    """Logits (B, T, V) of the inputs `ids` (B, T), and the state (L, states, B, H) after them.

    Attention sees no step before these.
    """
    w = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    state = np.array(state, np.float64)
    vocab = len(w["out.bias"])
    table = w.get("embed.weight", np.eye(vocab))
    top = np.empty((*ids.shape, state.shape[-1]))
    for sequence, t in np.ndindex(ids.shape):
        x = table[ids[sequence, t]]
        for layer in range(len(state)):
            parameters = [w[f"rnn.{kind}_l{layer}"] for kind in ("weight_ih", "weight_hh", "bias")]
            state[layer, :, sequence] = _step(cell)(x, state[layer, :, sequence], *parameters)
            x = state[layer, 0, sequence]
        top[sequence, t] = x
    logits = top @ w["out.weight"].T + w["out.bias"]
    if "attn.out.weight" in w:
        logits += [attention(h, w) @ w["attn.out.weight"].T for h in top]
    return logits, state


def nats(logits: Array, targets: NDArray) -> Array:
    """-ln of the softmax of logits (..., V) at targets (...)."""
    highest = logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]
    return total - np.take_along_axis(logits, targets[..., None].astype(int), -1)[..., 0]
