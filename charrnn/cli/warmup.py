"""charrnn warmup"""

from __future__ import annotations

import time
from typing import Annotated

from .. import cells
from ..config import DTYPES, ModelConfig, TrainConfig
from ..errors import CharrnnError
from .options import option


def warmup(
    cell: Annotated[
        str, option("Model", "Cell to compile, or all.", choices=["all", *cells.names()])
    ] = "all",
    dtype: Annotated[str, option("Model", "Precision to compile for.", choices=DTYPES)] = "float32",
    attention: Annotated[bool, option("Model", "Also compile models with attention.", "--attention")] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Compile the kernels that everyday commands need ahead of time, for images, classrooms and CI.

    The compiled kernels are kept in NUMBA_CACHE_DIR, or in the user's cache folder.

    Example: charrnn warmup --cell gru
    """
    from ..checkpoint.checkpoint import Checkpoint
    from ..config import SampleConfig
    from ..inspection import explanation
    from ..kernels.cache import folder, lasts, notes
    from ..kernels.helpers import helped
    from ..model.network import Network, refuse_without_bfloat16
    from ..sampling.sampler import Sampler
    from ..text.vocabulary import Vocabulary
    from ..training.compile_kernels import calls, compile_kernels
    from .console import explain_compiling, note

    if not lasts():
        raise CharrnnError("; ".join(notes) or f"{folder()} cannot be written", "set NUMBA_CACHE_DIR")
    if dtype == "bfloat16":
        refuse_without_bfloat16()
    for name in cells.names() if cell == "all" else [cell]:
        for window in [0, 2] if attention else [0]:
            model = ModelConfig(name, 1, dtype=dtype, attention=window)
            begun = time.monotonic()
            with explain_compiling(quiet):
                with helped(calls, model, TrainConfig()):
                    compile_kernels(model, TrainConfig())
                checkpoint = Checkpoint(Network(model, 2), Vocabulary.of("ab"), {})
                Sampler(checkpoint, SampleConfig(prime="ab")).compile_kernels()
                explanation.compile_kernels(checkpoint, page=True)
            note(f"{name}{' with attention' if window else ''}: {time.monotonic() - begun:.1f} s", quiet)
    note(f"compiled kernels are in {folder()}", quiet)
