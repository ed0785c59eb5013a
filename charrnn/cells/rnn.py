"""The simple recurrent network (Elman, "Finding structure in time", 1990).

    a = W_ih x + W_hh h_prev + b                (1)  computed by the caller
    h = tanh(a)                                 (2)

The gradient of (2):  da = dh (1 - h^2).
"""

from __future__ import annotations

from ..kernels.activations import tanh
from ..kernels.cell_interface import Cell
from ..kernels.jit import jit


@jit
def forward(a, s, t):
    h = s[0, t + 1]
    h[:] = a[0, t]  # (1)
    tanh(h)  # (2)


@jit
def backward(a, s, t, ds):
    da, h, dh = a[0, t], s[0, t + 1], ds[0]
    one = a.dtype.type(1)
    for k in range(h.size):
        da[k] = dh[k] * (one - h[k] * h[k])  # (2)
        dh[k] = 0  # h_prev is reached only through W_hh (1)


CELL = Cell(
    name=__name__,
    blocks=("a",),
    input=("a",),
    recurrent=("a",),
    states=("h",),
    forward=forward,
    backward=backward,
)
