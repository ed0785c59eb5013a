"""Simple recurrent network with rectified linear units (Le, Jaitly & Hinton 2015).

    h = max(0, W_ih x + W_hh h_prev + b)     (1)

Like rnn.py, except for the activation, whose slope is 1 where h > 0 and 0 elsewhere. h is unbounded:
gradients vanish less than with tanh but explode more, so clip them.
"""

from __future__ import annotations

from ..kernels.cell_interface import Cell
from ..kernels.jit import jit


@jit
def forward(a, s, t):
    a_t, h = a[0, t], s[0, t + 1]
    for k in range(h.size):
        h[k] = max(a_t[k], a.dtype.type(0))  # (1)


@jit
def backward(a, s, t, ds):
    da, h, dh = a[0, t], s[0, t + 1], ds[0]
    for k in range(dh.size):
        da[k] = dh[k] if h[k] > 0 else a.dtype.type(0)  # (1)
        dh[k] = 0


CELL = Cell(
    name=__name__,
    blocks=("a",),
    input=("a",),
    recurrent=("a",),
    states=("h",),
    corners=True,
    forward=forward,
    backward=backward,
)
