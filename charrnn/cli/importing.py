"""charrnn import"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import cells
from .file_checks import refuse_output
from .options import option


def importing(
    source: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Weights under PyTorch's names: NAME.safetensors or NAME.npz."),
    ],
    out: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Checkpoint to write: NAME.npz.")],
    vocab: Annotated[
        Path | None,
        option(
            "Model",
            "Vocabulary, if FILE has none: a JSON list of characters by id, or a text that contains all.",
        ),
    ] = None,
    cell: Annotated[
        str | None, option("Model", "Cell, if the shapes fit both: rnn or rnn_relu.", choices=cells.names())
    ] = None,
    force: Annotated[bool, option("Output", "Overwrite an existing file.", "--force")] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Make a checkpoint from weights that were trained, averaged or changed elsewhere.

    Example: charrnn import model.safetensors ckpt.npz --vocab corpus.txt
    """
    from ..checkpoint.writing import save
    from ..exchange.importing import read
    from .console import note

    refuse_output(out, [source], force, "name")
    checkpoint = read(source, vocab, cell)
    save(out, checkpoint)
    config = checkpoint.network.config
    note(f"wrote {out}: {config.cell}, {config.num_layers} x {config.hidden_size} units", quiet)
