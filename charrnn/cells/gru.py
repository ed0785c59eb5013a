"""Gated recurrent unit, with the reset after the product (Cho et al. 2014; PyTorch's and cuDNN's form).

    r = sigmoid(W_ir x + W_hr h_prev + b_r)     (1)  reset gate
    z = sigmoid(W_iz x + W_hz h_prev + b_z)     (2)  update gate: the share of the old state to keep
    m = W_hn h_prev + b_hn                      (3)
    n = tanh(W_in x + b_in + r m)               (4)  candidate
    h = (1 - z) n + z h_prev                    (5)

Cho et al. write (3)-(4) with r inside the product, W (r h_prev). Some texts swap z and 1 - z.
The caller computes the products and biases; m has a block of its own, because r multiplies only m.
"""

from __future__ import annotations

from ..kernels.activations import sigmoid, tanh
from ..kernels.cell_interface import Cell
from ..kernels.jit import jit


@jit
def forward(a, s, t):
    r, z, n, m = a[0, t], a[1, t], a[2, t], a[3, t]
    h_prev, h = s[0, t], s[0, t + 1]
    one = a.dtype.type(1)
    sigmoid(r)  # (1)
    sigmoid(z)  # (2)
    for k in range(n.size):
        n[k] += r[k] * m[k]  # (3), (4)
    tanh(n)  # (4)
    for k in range(h.size):
        h[k] = (one - z[k]) * n[k] + z[k] * h_prev[k]  # (5)


@jit
def backward(a, s, t, ds):
    r, z, n, m = a[0, t], a[1, t], a[2, t], a[3, t]
    h_prev, dh = s[0, t], ds[0]
    one = a.dtype.type(1)
    for k in range(dh.size):
        z_k, n_k = z[k], n[k]
        n[k] = dh[k] * (one - z_k) * (one - n_k * n_k)  # (5), (4): n now holds da
        z[k] = dh[k] * (h_prev[k] - n_k) * z_k * (one - z_k)  # (5), (2)
        dh[k] *= z_k  # (5): the direct path to h_prev
    for k in range(dh.size):
        r_k, dn = r[k], n[k]
        r[k] = dn * m[k] * r_k * (one - r_k)  # (4), (1)
        m[k] = dn * r_k  # (4), (3)


CELL = Cell(
    name=__name__,
    blocks=("r", "z", "n", "m"),
    input=("r", "z", "n"),
    recurrent=("r", "z", "m"),
    states=("h",),
    gates=("r", "z"),
    forward=forward,
    backward=backward,
)
