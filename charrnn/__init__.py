"""charrnn: character-level language models with recurrent networks, trained on a CPU.

import charrnn
model = charrnn.train("corpus.txt", cell="gru", max_time="5m")  # or charrnn.load("x.npz")
print(model.sample("Once", length=200, temp=0.8), model.score("Once upon a time").bpc)
model.save("mine.npz")

`train` displays its progress; `Run` does the same as an iterator of events. See docs/python.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .api import Model, load
    from .run import Options, Run, train

__all__ = ["Model", "Options", "Run", "__version__", "load", "train"]
FOUND_IN = {"load": "api", "Model": "api", "train": "run", "Run": "run", "Options": "run"}


def __getattr__(name: str) -> Any:
    """Import a name of FOUND_IN when it is first used, since NumPy and Numba come with it."""
    if name not in FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{FOUND_IN[name]}", __name__), name)
