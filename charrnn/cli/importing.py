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
        typer.Argument(metavar="FILE", help="NAME.safetensors, or .npz, with arrays under PyTorch's names."),
    ],
    out: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The checkpoint to write, NAME.npz.")],
    vocab: Annotated[
        Path | None,
        option(
            "Model",
            "Where FILE does not say it: a JSON list of characters by id, or a text that has them all.",
        ),
    ] = None,
    cell: Annotated[
        str | None, option("Model", "Where shapes do not tell: rnn or rnn_relu.", choices=cells.names())
    ] = None,
    force: Annotated[bool, option("Output", "Overwrite an existing file.", "--force")] = False,
    quiet: Annotated[bool, option("Output", "No notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Make a checkpoint of weights that were trained, averaged or changed elsewhere.

    Example: charrnn import model.safetensors ckpt.npz --vocab corpus.txt
    """
    from ..checkpoint.writing import save
    from ..exchange.importing import read
    from .console import note

    refuse_output(out, [source], force, "name")
    checkpoint = read(source, vocab, cell)
    save(out, checkpoint)
    config = checkpoint.network.config
    note(f"{out}: {config.cell}, {config.num_layers} x {config.hidden_size} units", quiet)
