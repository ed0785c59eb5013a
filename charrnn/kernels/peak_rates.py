"""Kernels that measure the machine's peak rates, for comparison with other measurements."""

from __future__ import annotations

from .jit import jit
from .matmul import matmul


@jit
def multiply(a, panels, c, repeats):
    """Repeat one matrix product on data in the innermost cache.  Cost: 2 M N K flops each time."""
    for _ in range(repeats):
        matmul(a, panels, c, True)


@jit
def read(array):
    """Read an array of integers by summing it; a compiler may sum integers in any order."""
    total = 0
    for k in range(array.size):
        total += array[k]
    return total
