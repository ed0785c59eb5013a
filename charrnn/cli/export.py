"""charrnn export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .file_checks import refuse_output
from .options import option


def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Checkpoint (.npz) written by charrnn train.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: NAME.safetensors or NAME.onnx.")],
    force: Annotated[bool, option("Output", "Overwrite an existing file.", "--force")] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Export a model to other programs, as safetensors or as an ONNX graph.

    Example: charrnn export ckpt.npz model.onnx
    """
    from ..checkpoint.reading import load
    from ..exchange import onnx_graph, safetensors_file
    from .console import note

    writers = {".safetensors": safetensors_file.write, ".onnx": onnx_graph.write}
    if out.suffix not in writers:
        raise UsageError(f"{out} ends in neither .safetensors nor .onnx", "choose one of the two")
    refuse_output(out, [checkpoint], force, "name")
    writers[out.suffix](out, load(checkpoint))
    note(f"wrote {out} ({out.stat().st_size:,} bytes)", quiet)
