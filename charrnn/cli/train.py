"""charrnn train"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import cells
from ..checkpoint.names import RunNames, default, without_ending
from ..config import (
    DOCUMENTS,
    DTYPES,
    JOIN,
    LEVELS,
    OPTIMIZERS,
    SCHEDULES,
    UNKNOWN,
    ModelConfig,
    TrainConfig,
)
from ..parallel.ranks import current
from ..system.stdio import name_of
from .dry_run import show
from .file_checks import refuse_folder, refuse_to_overwrite, refuse_to_read_stdin_twice, seconds
from .options import encoding_errors_option, fitted_option, option
from .settings import read
from .training_run import train as run

MODEL, TRAIN = ModelConfig(), TrainConfig()


def train(
    context: typer.Context,
    corpus: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPUS", help="Text files (plain, gzip, bzip2 or xz), read as one text; - is stdin."
        ),
    ],
    encoding: Annotated[str, option("Data", "Encoding of the corpus and of --val.")] = TRAIN.encoding,
    encoding_errors: Annotated[str, encoding_errors_option("Data")] = TRAIN.encoding_errors,
    join: Annotated[
        str,
        option(
            "Data",
            "What to put after a file without a final line end: newline, or nothing (always for bytes).",
            choices=JOIN,
        ),
    ] = TRAIN.join,
    level: Annotated[
        str, option("Data", "Predict characters (char) or bytes (byte).", choices=LEVELS)
    ] = TRAIN.level,
    shuffle_lines: Annotated[
        bool,
        option(
            "Data",
            "Shuffle the lines (by --seed) before splitting the text; useful for lists.",
            "--shuffle-lines",
        ),
    ] = TRAIN.shuffle_lines,
    documents: Annotated[
        str,
        option(
            "Data",
            "Treat each line (line), or each block between blank lines (blank), as a text of its own.",
            choices=DOCUMENTS,
        ),
    ] = TRAIN.documents,
    val_fraction: Annotated[
        float, option("Data", "Share of the text, at its end, held out for validation; 0: none.")
    ] = TRAIN.val_fraction,
    val: Annotated[Path | None, option("Data", "Validate on this file instead of a held-out share.")] = None,
    test_fraction: Annotated[
        float,
        option("Data", "Share of the text, after the validation share, held out for a final test; 0: none."),
    ] = TRAIN.test_fraction,
    unknown: Annotated[
        str,
        option(
            "Data", "Characters of --val that the model lacks: error, or skip (leave out).", choices=UNKNOWN
        ),
    ] = TRAIN.unknown,
    cell: Annotated[
        str, option("Model", f"Recurrent cell: {', '.join(cells.names())}.", choices=cells.names())
    ] = MODEL.cell,
    hidden_size: Annotated[int | None, fitted_option("Model", "Hidden units in each layer.")] = None,
    num_layers: Annotated[int | None, fitted_option("Model", "Number of recurrent layers.")] = None,
    embed_size: Annotated[
        int, option("Model", "Size of the character embedding; 0: one-hot inputs.")
    ] = MODEL.embed_size,
    dropout: Annotated[
        float | None, fitted_option("Model", "Share of each layer's outputs set to 0 during training.")
    ] = None,
    attention: Annotated[
        int | None,
        fitted_option(
            "Model", "Attention window: outputs of the last layer that each step looks back on; 0: none."
        ),
    ] = None,
    dtype: Annotated[
        str,
        option(
            "Model",
            "Precision of matrix products: float32, bfloat16 (faster, on CPUs that have it) or float64.",
            choices=DTYPES,
        ),
    ] = MODEL.dtype,
    optimizer: Annotated[
        str, option("Optimization", f"Optimizer: {', '.join(OPTIMIZERS)}.", choices=OPTIMIZERS)
    ] = TRAIN.optimizer,
    lr: Annotated[
        float,
        option("Optimization", "Learning rate; 0 picks one for the optimizer, hidden size, cell and batch."),
    ] = TRAIN.lr,
    lr_schedule: Annotated[
        str,
        option("Optimization", f"How the learning rate changes: {', '.join(SCHEDULES)}.", choices=SCHEDULES),
    ] = TRAIN.lr_schedule,
    warmup: Annotated[
        int,
        option("Optimization", "Steps of rising learning rate at the start; at most a tenth of the run."),
    ] = TRAIN.warmup,
    weight_decay: Annotated[
        float, option("Optimization", "Weight decay (an L2 penalty except with adamw); 0: off.")
    ] = TRAIN.weight_decay,
    clip_norm: Annotated[
        float, option("Optimization", "Scale the gradient down to at most this norm; 0: off.")
    ] = TRAIN.clip_norm,
    clip_value: Annotated[
        float, option("Optimization", "Clip each element of the gradient to this size; 0: off.")
    ] = TRAIN.clip_value,
    weight_clip: Annotated[
        float, option("Optimization", "Clip each weight to this size; 0: off.")
    ] = TRAIN.weight_clip,
    teacher_forcing: Annotated[
        float,
        option("Optimization", "Share of inputs from the text; the rest are the model's predictions."),
    ] = TRAIN.teacher_forcing,
    seq_len: Annotated[
        int,
        option("Optimization", "Characters that gradients reach back over, the chunks of truncated BPTT."),
    ] = TRAIN.seq_len,
    batch_size: Annotated[
        int | None, fitted_option("Optimization", "Parts of the text to train on in parallel.")
    ] = None,
    epochs: Annotated[float | None, fitted_option("Budget", "Passes over the training text.")] = None,
    max_steps: Annotated[
        int, option("Budget", "Largest number of steps; 0: as many as --epochs takes.")
    ] = TRAIN.max_steps,
    max_time: Annotated[
        str,
        option(
            "Budget",
            "Time limit, such as 90s, 10m or 2h; if it is the only limit, the run fills it; 0: none.",
        ),
    ] = "0",
    patience: Annotated[
        int, option("Budget", "Stop after this many validations without improvement; 0: never.")
    ] = TRAIN.patience,
    eval_every: Annotated[
        int, option("Budget", "Steps between validations; 0: once per epoch.")
    ] = TRAIN.eval_every,
    out: Annotated[
        Path | None,
        option(
            "Run",
            "Checkpoint to write, NAME or NAME.npz. "
            "Default: checkpoints/CORPUS-CELL.npz, for bytes CORPUS-CELL-bytes.npz.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        option("Run", "Continue from NAME.last.npz, with the same result as without a break.", "--resume"),
    ] = False,
    init_from: Annotated[
        Path | None, option("Run", "Fine-tune this checkpoint; --resume refuses a different one.")
    ] = None,
    extend_vocab: Annotated[
        bool, option("Run", "With --init-from: add the characters that the checkpoint lacks, or refuse them.")
    ] = True,
    save_every: Annotated[
        int, option("Run", "Steps between saves; 0: at each validation and about every minute.")
    ] = TRAIN.save_every,
    keep_last: Annotated[int, option("Run", "Also keep the last N models.")] = TRAIN.keep_last,
    sample_every: Annotated[
        int, option("Run", "Print a sample every N steps; 0: never.")
    ] = TRAIN.sample_every,
    log: Annotated[
        Path | None, option("Run", "Log to write; default: NAME.jsonl beside the checkpoint; - is stdout.")
    ] = None,
    force: Annotated[bool, option("Run", "Overwrite an existing run.", "--force")] = False,
    seed: Annotated[int, option("Run", "Random seed; the same seed gives the same model.")] = TRAIN.seed,
    threads: Annotated[
        int, option("Run", "Number of threads; 0: one per core available to this process (or its MPI share).")
    ] = TRAIN.threads,
    config: Annotated[
        Path | None,
        option("Run", "Read options from a TOML file (see charrnn info --toml); options given here win."),
    ] = None,
    dry_run: Annotated[
        bool, option("Run", "Show data, model, cost and files without training; write nothing.", "--dry-run")
    ] = False,
    quiet: Annotated[bool, option("Run", "Print neither progress nor notes.", "--quiet", "-q")] = False,
) -> None:
    """Train a model on text files, by truncated backpropagation through time.

    Example: charrnn train corpus.txt --cell gru --hidden-size 512
    """
    ranks = current()
    given = {name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE"}  # type: ignore[union-attr]
    filed = {name: value for name, value in (read(config) if config else {}).items() if name not in given}
    given |= filed.keys()
    values = context.params | filed
    out, log, val, init_from = (values[name] for name in ("out", "log", "val", "init_from"))
    values |= {"max_time": seconds(str(values["max_time"]))}
    values = {name: value for name, value in values.items() if value is not None}
    model = ModelConfig(**{name: values[name] for name in vars(MODEL).keys() & values.keys()})
    training = TrainConfig(**{name: values[name] for name in vars(TRAIN).keys() & values.keys()})
    cell, level = model.cell, training.level
    kind = f"from-{without_ending(init_from).name}" if init_from else cell + "-bytes" * (level == "byte")
    if out and not ranks.rank:
        refuse_folder(out)  # or NAME.npz would be written beside it
    names = RunNames.of(out or default(name_of(corpus[0]), kind))
    log = log or names.log
    inputs = [*corpus, *filter(None, (val, init_from))]
    refuse_to_read_stdin_twice(inputs)
    if not ranks.rank:
        refuse_to_overwrite(names, log, inputs, force or resume or dry_run)

    from ..training.setup import Request  # imports NumPy and Numba

    request = Request(
        corpus, model, training, names.best, given, val, init_from, extend_vocab, resume, ranks.size
    )
    if dry_run:
        show(request, log, quiet, ranks)
    else:
        raise typer.Exit(run(request, log, ["charrnn", *sys.argv[1:]], quiet, ranks))
