"""What a cell must offer, and how a kernel finds the cell it is compiled for.

A cell is a file in `charrnn/cells` with two kernels, `forward(a, s, t)` and `backward(a, s, t, ds)`,
and `CELL`, an instance of a named tuple of its own with the fields

    input      the blocks of pre-activations that W_ih x fills, in the order of PyTorch's gates
    recurrent  the blocks that W_hh h fills, in the same order; a block in both gets the sum
    blocks     how many there are; blocks beyond those two lists only keep values for the backward pass
    states     how many vectors are carried through time; the first is the output h
    corners    optional: h has corners at 0, which differences that check gradients must not straddle

and, if it has gates between 0 and 1 that `charrnn explain` should show, `GATES`, the block of each by name.

The type of `CELL` selects the file when a kernel is compiled, so nothing is looked up while it runs.
"""

from __future__ import annotations

import sys
from typing import Any

from numba.extending import overload


def forward(cell: Any, a: Any, s: Any, t: Any) -> None:
    """From pre-activations a[:, t] and states s[:, t], the states s[:, t + 1].

    Shapes: a (blocks, T, B*H), where activations replace pre-activations; s (states, T + 1, B*H).
    """
    raise TypeError("for use inside kernels")


def backward(cell: Any, a: Any, s: Any, t: Any, ds: Any) -> None:
    """From the gradient ds of s[:, t + 1], the gradients of a[:, t] and of s[:, t].

    Shapes: a as `forward` left it, where gradients of the pre-activations replace activations;
    ds (states, B*H), in place. What flows back through W_hh is added to ds[0] by the caller.
    """
    raise TypeError("for use inside kernels")


@overload(forward)
def _forward(cell, a, s, t):
    of_cell = sys.modules[cell.instance_class.__module__].forward
    return lambda cell, a, s, t: of_cell(a, s, t)


@overload(backward)
def _backward(cell, a, s, t, ds):
    of_cell = sys.modules[cell.instance_class.__module__].backward
    return lambda cell, a, s, t, ds: of_cell(a, s, t, ds)
