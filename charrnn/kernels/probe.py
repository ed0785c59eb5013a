"""What the machine can do at best, to hold measurements against."""

from __future__ import annotations

from .jit import jit, reduction
from .tile import matmul


@jit
def multiply(a, panels, c, repeats):
    """The tile again and again on data in the innermost cache.  Cost: 2 M N K flops each."""
    for _ in range(repeats):
        matmul(a, panels, c, True)


@reduction
def read(x):
    """The sum of a vector: each element is loaded once, in order."""
    total = x.dtype.type(0)
    for k in range(x.size):
        total += x[k]
    return total
