"""charrnn train"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import cells
from ..config import ModelConfig, TrainConfig
from .files import default_checkpoint, make_folder, read_text, refuse_to_overwrite
from .log import JsonLog

MODEL, TRAIN = ModelConfig(), TrainConfig()


def train(
    corpus: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPUS...", help="UTF-8 text files, read one after the other; - reads stdin."
        ),
    ],
    cell: Annotated[
        str, typer.Option(help=f"One of {', '.join(cells.names())}.", rich_help_panel="Model")
    ] = MODEL.cell,
    hidden_size: Annotated[
        int, typer.Option(help="Hidden units of a layer.", rich_help_panel="Model")
    ] = MODEL.hidden_size,
    num_layers: Annotated[
        int, typer.Option(help="Recurrent layers, one on top of the other.", rich_help_panel="Model")
    ] = MODEL.num_layers,
    embed_size: Annotated[
        int, typer.Option(help="Size of an embedding; 0: one-hot inputs.", rich_help_panel="Model")
    ] = MODEL.embed_size,
    dropout: Annotated[
        float,
        typer.Option(help="Share of outputs of each layer set to 0 in training.", rich_help_panel="Model"),
    ] = MODEL.dropout,
    dtype: Annotated[str, typer.Option(help="float32 or float64.", rich_help_panel="Model")] = MODEL.dtype,
    lr: Annotated[
        float, typer.Option(help="Learning rate of Adam.", rich_help_panel="Optimisation")
    ] = TRAIN.lr,
    clip_norm: Annotated[
        float,
        typer.Option(help="Largest norm of a gradient; 0: no clipping.", rich_help_panel="Optimisation"),
    ] = TRAIN.clip_norm,
    seq_len: Annotated[
        int, typer.Option(help="Characters of a chunk of truncated BPTT.", rich_help_panel="Optimisation")
    ] = TRAIN.seq_len,
    batch_size: Annotated[
        int, typer.Option(help="Streams of text read side by side.", rich_help_panel="Optimisation")
    ] = TRAIN.batch_size,
    epochs: Annotated[
        float, typer.Option(help="Passes over the text.", rich_help_panel="Budget")
    ] = TRAIN.epochs,
    max_steps: Annotated[
        int, typer.Option(help="Updates at most; 0: as many as the epochs take.", rich_help_panel="Budget")
    ] = TRAIN.max_steps,
    val_fraction: Annotated[
        float, typer.Option(help="The tail of the text that validates; 0: none.", rich_help_panel="Budget")
    ] = TRAIN.val_fraction,
    eval_every: Annotated[
        int, typer.Option(help="Steps between validations; 0: an epoch.", rich_help_panel="Budget")
    ] = TRAIN.eval_every,
    out: Annotated[
        Path | None,
        typer.Option(help="The checkpoint; default checkpoints/CORPUS-CELL.npz.", rich_help_panel="Run"),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="The log; default beside the checkpoint, .jsonl.", rich_help_panel="Run"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an existing checkpoint.", rich_help_panel="Run")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same bits.", rich_help_panel="Run")
    ] = TRAIN.seed,
    threads: Annotated[
        int, typer.Option(help="0: every core this process may use.", rich_help_panel="Run")
    ] = TRAIN.threads,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Neither progress nor notes.", rich_help_panel="Run")
    ] = False,
) -> None:
    """Train a model on text by truncated backpropagation through time.

    Example: charrnn train corpus.txt --cell gru --hidden-size 512
    """
    model = ModelConfig(cell, hidden_size, num_layers, embed_size, dropout, dtype)
    config = TrainConfig(
        batch_size, seq_len, lr, clip_norm, epochs, max_steps, val_fraction, eval_every, seed, threads
    )
    path = out or default_checkpoint(corpus[0], cell)
    log = log or path.parent / f"{path.stem}.jsonl"
    refuse_to_overwrite(path, log, corpus, force)
    raise typer.Exit(run(corpus, model, config, path, log, quiet))


def run(
    corpus: list[Path], model: ModelConfig, config: TrainConfig, path: Path, log: Path, quiet: bool
) -> int:
    """Train, log and show it; the exit code."""
    from ..training import Trainer
    from .display import display
    from .signals import Stopper

    cells.find(model.cell)  # before a text is read that may be long
    text = "".join(map(read_text, corpus))
    trainer = Trainer(text, model, config, path, command=["charrnn", *sys.argv[1:]])
    make_folder(path.parent)
    make_folder(log.parent)
    with JsonLog(log) as record, display(quiet) as show, Stopper(trainer.stop, quiet) as stopper:
        for event in trainer.run():
            record(event)
            show(event)
    return stopper.code
