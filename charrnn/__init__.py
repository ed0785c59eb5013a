"""charrnn: character-level language models with a recurrent network, trained fast on a CPU.

import charrnn
model = charrnn.load("x.npz")
print(model.sample("Once", length=200, temp=0.8), model.score("Once upon a time").bpc)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .api import Model, load

__all__ = ["Model", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """`load` and `Model`, when first asked for: with them come NumPy and Numba."""
    if name not in ("load", "Model"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api

    return getattr(api, name)
