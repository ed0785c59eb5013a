"""Minimal gated unit (Zhou et al. 2016), reset after the product.

f = sigmoid(W_if x + W_hf h_prev + b_f)     (1)
m = W_hn h_prev + b_hn                      (2)
n = tanh(W_in x + b_in + f m)               (3)
h = (1 - f) h_prev + f n                    (4)
"""

from __future__ import annotations

from ..kernels.activations import sigmoid, tanh
from ..kernels.cell_interface import Cell
from ..kernels.jit import jit


@jit
def forward(a, s, t):
    f, n, m = a[0, t], a[1, t], a[2, t]
    h_prev, h = s[0, t], s[0, t + 1]
    one = a.dtype.type(1)
    sigmoid(f)  # (1)
    for k in range(n.size):
        n[k] += f[k] * m[k]  # (2), (3)
    tanh(n)  # (3)
    for k in range(h.size):
        h[k] = (one - f[k]) * h_prev[k] + f[k] * n[k]  # (4)


@jit
def backward(a, s, t, ds):
    f, n, m = a[0, t], a[1, t], a[2, t]
    h_prev, dh = s[0, t], ds[0]
    one = a.dtype.type(1)
    for k in range(dh.size):
        f_k, n_k, m_k = f[k], n[k], m[k]
        dn = dh[k] * f_k * (one - n_k * n_k)  # (4), (3)
        df = dh[k] * (n_k - h_prev[k]) + dn * m_k  # (4), (3)
        n[k] = dn
        m[k] = dn * f_k  # (3)
        f[k] = df * f_k * (one - f_k)  # (1)
        dh[k] *= one - f_k  # (4)


CELL = Cell(
    name=__name__,
    blocks=("f", "n", "m"),
    input=("f", "n"),
    recurrent=("f", "m"),
    states=("h",),
    gates=("f",),
    forward=forward,
    backward=backward,
)
