"""charrnn train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..config import ModelConfig, TrainConfig

MODEL, TRAIN = ModelConfig(), TrainConfig()


def train(
    corpus: Annotated[
        list[Path],
        typer.Argument(help="UTF-8 text files, read one after the other; - reads stdin.", allow_dash=True),
    ],
    cell: Annotated[str, typer.Option(help="rnn, gru or lstm.", rich_help_panel="Model")] = MODEL.cell,
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
    from ..text import read
    from ..training import Trainer
    from .display import display
    from .log import JsonLog
    from .signals import Stopper

    model = ModelConfig(cell, hidden_size, num_layers, embed_size, dropout, dtype)
    config = TrainConfig(
        batch_size, seq_len, lr, clip_norm, epochs, max_steps, val_fraction, eval_every, seed, threads
    )
    path = out or Path("checkpoints") / f"{stem(corpus[0])}-{cell}.npz"
    text = "".join(read(file) for file in corpus)
    trainer = Trainer(text, model, config, path)
    with (
        JsonLog(path, log or path.with_suffix(".jsonl"), force) as record,
        Stopper(trainer.stop) as stopper,
        display(quiet) as show,
    ):
        for event in trainer.run():
            record(event)
            show(event)
    if stopper.code:
        raise typer.Exit(stopper.code)


def stem(corpus: Path) -> str:
    return "stdin" if str(corpus) == "-" else corpus.name.split(".")[0] or "corpus"
