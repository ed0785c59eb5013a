"""What the machine can do at best, to hold measurements against."""

from __future__ import annotations

from .jit import jit
from .matmul import matmul


@jit
def multiply(a, panels, c, repeats):
    """The tile again and again on data in the innermost cache.  Cost: 2 M N K flops each."""
    for _ in range(repeats):
        matmul(a, panels, c, True)


@jit
def read(array):
    """All of an array of whole numbers, whose sum a compiler may make in any order."""
    total = 0
    for k in range(array.size):
        total += array[k]
    return total
