"""Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    i = sigmoid(W_ii x + W_hi h_prev + b_i)     (1)  input gate
    f = sigmoid(W_if x + W_hf h_prev + b_f)     (2)  forget gate
    g = tanh(W_ig x + W_hg h_prev + b_g)        (3)  candidate
    o = sigmoid(W_io x + W_ho h_prev + b_o)     (4)  output gate
    c = f c_prev + i g                          (5)  memory
    q = tanh(c)                                 (6)
    h = o q                                     (7)

The gates are in PyTorch's order. The caller computes the sums in parentheses in (1)-(4).
"""

from __future__ import annotations

from ..kernels.activations import sigmoid, tanh
from ..kernels.cell_interface import Cell
from ..kernels.jit import jit


@jit
def forward(a, s, t):
    i, f, g, o, q = a[0, t], a[1, t], a[2, t], a[3, t], a[4, t]
    c_prev, c, h = s[1, t], s[1, t + 1], s[0, t + 1]
    sigmoid(i)  # (1)
    sigmoid(f)  # (2)
    tanh(g)  # (3)
    sigmoid(o)  # (4)
    for k in range(c.size):
        c[k] = f[k] * c_prev[k] + i[k] * g[k]  # (5)
        q[k] = c[k]
    tanh(q)  # (6)
    for k in range(h.size):
        h[k] = o[k] * q[k]  # (7)


@jit
def backward(a, s, t, ds):
    i, f, g, o, q = a[0, t], a[1, t], a[2, t], a[3, t], a[4, t]
    c_prev, dh, dc = s[1, t], ds[0], ds[1]
    one = a.dtype.type(1)
    for k in range(dc.size):
        dc[k] += dh[k] * o[k] * (one - q[k] * q[k])  # (7), (6)
        o[k] = dh[k] * q[k] * o[k] * (one - o[k])  # (7), (4): o now holds da
        dh[k] = 0  # h_prev is reached only through W_hh (1)-(4)
    for k in range(dc.size):
        i_k, g_k = i[k], g[k]
        i[k] = dc[k] * g_k * i_k * (one - i_k)  # (5), (1)
        g[k] = dc[k] * i_k * (one - g_k * g_k)  # (5), (3)
    for k in range(dc.size):
        f_k = f[k]
        f[k] = dc[k] * c_prev[k] * f_k * (one - f_k)  # (5), (2)
        dc[k] *= f_k  # (5): c_prev


CELL = Cell(
    name=__name__,
    blocks=("i", "f", "g", "o", "q"),
    input=("i", "f", "g", "o"),
    recurrent=("i", "f", "g", "o"),
    states=("h", "c"),
    gates=("i", "f", "o"),
    forward=forward,
    backward=backward,
)
