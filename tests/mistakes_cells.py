"""The mistakes made in a cell's own equations (see mistakes.py)."""

from __future__ import annotations

from mistakes import BELOW, GRU, LSTM, NOTHING, RNN, WRONG, Mistake, gradient
from plain import Edit

NO_RESET = Edit(GRU, "n[k] += r[k] * m[k]", "n[k] += m[k]")
WRONG_GATE = Edit(LSTM, "f[k] * c_prev[k] + i[k] * g[k]", "f[k] * c_prev[k] + o[k] * g[k]")
TWICE = Edit(RNN, "tanh(h)  # (2)", "tanh(h)\n    tanh(h)")

CELLS = [
    Mistake(
        *(5, "the candidate without the reset gate, going forward", ["gru"]),
        [NO_RESET],
        gradient(BELOW) | {"oracle": WRONG},
    ),
    Mistake(
        *(5, "the candidate without the reset gate, going back", ["gru"]),
        [Edit(GRU, "m[k] = dn * r_k", "m[k] = dn")],
        gradient(BELOW),
    ),
    Mistake(
        *(5, "the candidate without the reset gate, in both passes", ["gru"]),
        [NO_RESET, Edit(GRU, "m[k] = dn * r_k", "m[k] = dn"), Edit(GRU, "r[k] = dn * m[k]", "r[k] = 0")],
        gradient(NOTHING) | {"oracle": WRONG},
    ),
    Mistake(
        *(5, "z and 1 - z exchanged, going forward", ["gru"]),
        [Edit(GRU, "(one - z[k]) * n[k] + z[k] * h_prev", "z[k] * n[k] + (one - z[k]) * h_prev")],
        gradient(BELOW) | {"oracle": WRONG},
    ),
    Mistake(
        *(5, "z and 1 - z exchanged, going back", ["gru"]),
        [Edit(GRU, "dh[k] * (one - z_k)", "dh[k] * z_k"), Edit(GRU, "dh[k] *= z_k", "dh[k] *= one - z_k")],
        gradient(BELOW),
    ),
    Mistake(
        *(6, "the output gate used for the memory, going forward", ["lstm"]),
        [WRONG_GATE],
        gradient(BELOW) | {"oracle": WRONG},
    ),
    Mistake(
        *(6, "the output gate used for the memory, in both passes", ["lstm"]),
        [
            WRONG_GATE,
            Edit(
                LSTM,
                "o[k] = dh[k] * q[k] * o[k] * (one - o[k])",
                "o[k], g[k] = (dh[k] * q[k] + dc[k] * g[k]) * o[k] * (one - o[k]),"
                " dc[k] * o[k] * (one - g[k] ** 2)",
            ),
            Edit(LSTM, "i[k] = dc[k] * g_k * i_k", "i[k] = 0"),
            Edit(LSTM, "g[k] = dc[k] * i_k * (one - g_k * g_k)", "g[k] = g_k"),
        ],
        gradient(NOTHING) | {"oracle": WRONG},
    ),
    Mistake(
        *(6, "c in place of tanh(c) in the output, going forward", ["lstm"]),
        [Edit(LSTM, "h[k] = o[k] * q[k]", "h[k] = o[k] * c[k]")],
        gradient(BELOW) | {"oracle": WRONG},
    ),
    Mistake(
        *(6, "c in place of tanh(c) in the output, in both passes", ["lstm"]),
        [Edit(LSTM, "tanh(q)  # (6)", "pass"), Edit(LSTM, "* (one - q[k] * q[k])", "")],
        gradient(NOTHING) | {"oracle": WRONG},
    ),
    Mistake(
        *(6, "the forget gate's gradient from c[t]", ["lstm"]),
        [Edit(LSTM, "dc[k] * c_prev[k] * f_k", "dc[k] * s[1, t + 1, k] * f_k")],
        gradient(BELOW),
    ),
    *(
        Mistake(7, f"tanh' written 1 - {name}", [cell], [Edit(file, old, new)], gradient(BELOW))
        for cell, file, name, old, new in (
            ("rnn", RNN, "h", "(one - h[k] * h[k])", "(one - h[k])"),
            ("gru", GRU, "n", "(one - n_k * n_k)", "(one - n_k)"),
            ("lstm", LSTM, "g", "(one - g_k * g_k)", "(one - g_k)"),
            ("lstm", LSTM, "q", "(one - q[k] * q[k])", "(one - q[k])"),
        )
    ),
    *(
        Mistake(7, f"sigmoid' written {gate}", [cell], [Edit(file, old, new)], gradient(BELOW))
        for cell, file, gate, old, new in (
            ("gru", GRU, "r", "r_k * (one - r_k)", "r_k"),
            ("gru", GRU, "z", "z_k * (one - z_k)", "z_k"),
            ("lstm", LSTM, "i", "i_k * (one - i_k)", "i_k"),
            ("lstm", LSTM, "f", "f_k * (one - f_k)", "f_k"),
            ("lstm", LSTM, "o", "o[k] * (one - o[k])", "o[k]"),
        )
    ),
    *(
        Mistake(9, f"tanh applied twice to {of}", [cell], [edit], gradient(BELOW) | {"oracle": WRONG})
        for cell, of, edit in (
            ("rnn", "the hidden state", TWICE),
            ("gru", "the candidate", Edit(GRU, "tanh(n)  # (4)", "tanh(n)\n    tanh(n)")),
            ("lstm", "the memory", Edit(LSTM, "tanh(q)  # (6)", "tanh(q)\n    tanh(q)")),
        )
    ),
    Mistake(
        *(9, "tanh applied twice to the hidden state, in both passes", ["rnn"]),
        [
            TWICE,
            Edit(RNN, "(one - h[k] * h[k])", "(one - h[k] ** 2) * (one - atanh(h[k]) ** 2)"),
            Edit(RNN, "from ..kernels.jit", "from math import atanh\n\nfrom ..kernels.jit"),
        ],
        gradient(NOTHING) | {"oracle": WRONG},
    ),
]
