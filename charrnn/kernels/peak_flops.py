"""What the machine can do at best, to hold measurements against."""

from __future__ import annotations

from .jit import jit
from .matmul import matmul


@jit
def multiply(a, panels, c, repeats):
    """The tile again and again on data in the innermost cache.  Cost: 2 M N K flops each."""
    for _ in range(repeats):
        matmul(a, panels, c, True)
