"""Mistakes of common teaching texts, each as a change of the package's source, and what notices it.

A mistake in one pass alone is the gradient check's to see. Made in both passes alike it is a right gradient
of a wrong function, which only another implementation sees ("oracle", naive.py), or a property that it lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from plain import Edit
from support import CELLS as EVERY

LAYER, MODEL, ATTENTION = "kernels/layer.py", "kernels/model.py", "kernels/attention.py"
SOFTMAX, NETWORK = "kernels/activations.py", "model/shard.py"
RNN, GRU, LSTM = "cells/rnn.py", "cells/gru.py", "cells/lstm.py"
DEEP, EMBED, ATTEND = {"num_layers": 2}, {"num_layers": 2, "embed_size": 2}, {"attention": 2}
BELOW = "rnn.* embed.* carried?state"  # all that the gradient reaches through the layers
NOTHING = ""
WRONG = "nats state"  # of the oracle: scores and state differ


@dataclass(frozen=True)
class Mistake:
    """reports: what each check finds wrong, as patterns of names; no pattern: the check must pass."""

    group: int  # of the list in docs
    name: str
    cells: Sequence[str]
    edits: Sequence[Edit]
    reports: Mapping[str, str]
    config: Mapping[str, int] = field(default_factory=dict)


def gradient(tensors: str) -> dict[str, str]:
    return {"gradient": tensors}


def lookahead(array: str) -> Edit:
    """Each step's window of attention moved by one: the own step is replaced by the one to come."""
    rest = f"\n        layer.zero({array}[t, :first])"
    moved = "first, end = max(t + 1, oldest), min(t + 1 + window, p.shape[1])"
    return Edit(ATTENTION, f"first, end = max(t, oldest), t + window{rest}", f"{moved}{rest}")


def after_backward(line: str) -> Edit:
    """One more line at the end of the function that computes loss and gradient."""
    last = "model.backward(network.cell, network.panels, work, grad, views, scale, *mask)"
    return Edit(NETWORK, last, f"{last}\n        {line}")


B = "work.ds_rows.shape[2]"  # sequences
H_PREV = "h_prev = work.s_rows[l, 0, :n]"
NATS = "nats[row] = ln(np.float64(sum_)) + np.float64(highest) - np.float64(target)"
NO_MAXIMUM = Edit(SOFTMAX, "highest = largest(p)", "highest = p.dtype.type(0)")

THROUGH_TIME = [
    Mistake(
        *(1, "the recurrent term dropped", EVERY),
        [Edit(LAYER, "add(dy[t], ds[0])", "copy(dy[t], ds[0])")],
        gradient(BELOW),
        DEEP,
    ),
    Mistake(
        *(1, "the memory's recurrent term dropped", ["lstm"]),
        [Edit(LSTM, "dc[k] += dh[k] * o[k]", "dc[k] = dh[k] * o[k]")],
        gradient(BELOW),
    ),
    Mistake(
        *(1, "the direct path to h_prev dropped", ["gru"]),
        [Edit(GRU, "dh[k] *= z_k", "dh[k] = 0")],
        gradient(BELOW),
    ),
    Mistake(
        *(2, "dW_hh from h[t]", EVERY),
        [Edit(MODEL, H_PREV, f"h_prev = work.s_rows[l, 0, {B} :]")],
        gradient("rnn.weight_hh_*"),
        DEEP,
    ),
    Mistake(
        *(2, "dW_ih of a one-hot input from x[t-1]", EVERY),
        [Edit(MODEL, "lookup_backward(cell, work.ids,", f"lookup_backward(cell, np.roll(work.ids, {B}),")],
        gradient("rnn.weight_ih_l0"),
    ),
    Mistake(
        *(2, "dW_ih from x[t-1]", EVERY),
        [
            Edit(
                MODEL,
                "(da, cell.input_blocks, x, dw,",
                f"(da, cell.input_blocks, np.roll(x, {B}, axis=0), dw,",
            )
        ],
        gradient("rnn.weight_ih_*"),
        EMBED,
    ),
    Mistake(
        *(2, "dW_out from h[t-1]", EVERY),
        [Edit(MODEL, "layer.ONLY, top, grad.out", "layer.ONLY, work.s_rows[layers - 1, 0, :n], grad.out")],
        gradient("out.weight"),
    ),
    Mistake(
        *(3, "dW_hh from the state before the chunk", EVERY),
        [Edit(MODEL, H_PREV, f"h_prev = np.tile(work.s_rows[l, 0, :{B}], (n // {B}, 1))")],
        gradient("rnn.weight_hh_*"),
        DEEP,
    ),
    Mistake(
        *(3, "h_prev is the state before the chunk at every step", EVERY),
        [Edit(LAYER, "s_rows[0, t * batch : (t + 1) * batch]", "s_rows[0, :batch]")],
        gradient(BELOW) | {"oracle": WRONG},
        DEEP,
    ),
    Mistake(
        *(8, "dW without the outer product with h", EVERY),
        [
            Edit(
                LAYER,
                "matmul(left, buffer, dw[g], True)",
                "dw[g] += dout[blocks[g], start : start + BLOCK].sum(axis=0)[:, None]",
            )
        ],
        gradient("rnn.weight_* out.weight"),
        EMBED,
    ),
    Mistake(
        *(8, "bias gradients of one sequence, not summed over the batch", EVERY),
        [Edit(LAYER, "for r in range(da.shape[1])", "for r in range(0, da.shape[1], 2)")],  # of 2 the first
        gradient("rnn.bias_* out.bias"),
    ),
    Mistake(
        *(11, "an input's row overwritten when a character occurs twice", EVERY),
        [
            Edit(
                LAYER,
                "add(da[cell.input_blocks[g], r], dweights[g])",
                "copy(da[cell.input_blocks[g], r], dweights[g])",
            )
        ],
        gradient("rnn.weight_ih_l0"),
    ),
    Mistake(
        *(11, "an embedding's row overwritten when a character occurs twice", EVERY),
        [Edit(LAYER, "add(dx[r], dembed[ids[r]])", "copy(dx[r], dembed[ids[r]])")],
        gradient("embed.weight"),
        EMBED,
    ),
]

LOSS = [
    Mistake(
        *(4, "the loss is -log of a raw logit", ["rnn"]),
        [Edit(SOFTMAX, NATS, "nats[row] = -np.log(np.float64(target))")],
        gradient("*") | {"oracle": "nats"},
    ),
    Mistake(
        *(4, "the loss is minus a raw logit", ["rnn"]),
        [Edit(SOFTMAX, NATS, "nats[row] = -target")],
        gradient("*") | {"oracle": "nats"},
    ),
    Mistake(
        *(4, "the loss is minus a raw logit, in both passes", ["rnn"]),
        [Edit(SOFTMAX, NATS, "nats[row] = -target"), Edit(SOFTMAX, "p[k] *= share", "p[k] = 0")],
        gradient(NOTHING) | {"oracle": "nats"},
    ),
    Mistake(
        *(4, "softmax without subtracting the maximum", ["rnn"]),
        [NO_MAXIMUM],
        gradient(NOTHING) | {"oracle": NOTHING, "logits of 100": "nats"},
    ),
    Mistake(
        *(10, "clipping by value, at 0.0001, in the function that is checked", ["gru"]),
        [after_backward("np.clip(grad, -0.0001, 0.0001, out=grad)")],
        gradient("rnn.* out.*") | {"large gradient": "gradient"},
    ),
    Mistake(
        *(10, "clipping by norm, at 0.1, in the function that is checked", ["gru"]),
        [after_backward("grad *= min(1, 0.1 / np.linalg.norm(grad))")],
        gradient("rnn.* out.*") | {"large gradient": "gradient"},
    ),
    Mistake(
        *(10, "clipping by value, at 5, in the function that is checked", ["gru"]),
        [after_backward("np.clip(grad, -5, 5, out=grad)")],
        gradient(NOTHING) | {"large gradient": "gradient"},
    ),
    Mistake(
        *(12, "the softmax's Jacobian taken as its diagonal", ["rnn"]),
        [Edit(ATTENTION, "* (de[i] - mean)", "* (1 - share[i]) * de[i]")],
        gradient(f"{BELOW} attn.query.weight attn.key.weight attn.lag.bias carried?keys*"),
        ATTEND,
    ),
    Mistake(
        *(12, "the future not masked", ["rnn"]),
        [lookahead("p")],
        gradient(f"{BELOW} attn.query.weight attn.key.weight attn.lag.bias") | {"future": "nats"},
        ATTEND,
    ),
    Mistake(
        *(12, "the future not masked, in both passes", ["rnn"]),
        [lookahead("p"), lookahead("dp")],
        gradient(NOTHING) | {"future": "nats"},
        ATTEND,
    ),
    Mistake(
        *(12, "the keys' gradient missing", ["rnn"]),
        [
            Edit(
                ATTENTION,
                "matmul(transposed(dp, pairs), work.panels, work.dkeys[b], False)",
                "work.dkeys[b][...] = 0",
            )
        ],
        gradient(f"{BELOW} attn.key.weight carried?keys*"),
        ATTEND,
    ),
]

SHARED = [*THROUGH_TIME, *LOSS]
