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
            metavar="CORPUS", help="Text files (also in gzip, bzip2, xz), read as one; - is stdin."
        ),
    ],
    encoding: Annotated[str, option("Data", "Of the corpus and of --val.")] = TRAIN.encoding,
    encoding_errors: Annotated[str, encoding_errors_option("Data")] = TRAIN.encoding_errors,
    join: Annotated[
        str,
        option(
            "Data",
            "Between files, where one ends without a line end: newline or nothing; with bytes nothing.",
            choices=JOIN,
        ),
    ] = TRAIN.join,
    level: Annotated[str, option("Data", "char or byte: what is predicted.", choices=LEVELS)] = TRAIN.level,
    shuffle_lines: Annotated[
        bool,
        option("Data", "For lists: shuffle the lines first, by the seed.", "--shuffle-lines"),
    ] = TRAIN.shuffle_lines,
    documents: Annotated[
        str,
        option(
            "Data",
            "line or blank: each line, or what blank lines part, is a text of its own.",
            choices=DOCUMENTS,
        ),
    ] = TRAIN.documents,
    val_fraction: Annotated[float, option("Data", "The tail that validates; 0: none.")] = TRAIN.val_fraction,
    val: Annotated[Path | None, option("Data", "A text that validates, in place of the tail.")] = None,
    test_fraction: Annotated[
        float, option("Data", "The tail after validation's, scored once in the end.")
    ] = TRAIN.test_fraction,
    unknown: Annotated[
        str, option("Data", "Characters of --val that training never saw: error or skip.", choices=UNKNOWN)
    ] = TRAIN.unknown,
    cell: Annotated[
        str, option("Model", f"One of {', '.join(cells.names())}.", choices=cells.names())
    ] = MODEL.cell,
    hidden_size: Annotated[int | None, fitted_option("Model", "Hidden units of a layer.")] = None,
    num_layers: Annotated[int | None, fitted_option("Model", "Recurrent layers, stacked.")] = None,
    embed_size: Annotated[int, option("Model", "Size of an embedding; 0: one-hot.")] = MODEL.embed_size,
    dropout: Annotated[
        float | None, fitted_option("Model", "Share of each layer's outputs set to 0 in training.")
    ] = None,
    attention: Annotated[
        int | None,
        fitted_option("Model", "Outputs of the last layer that each step looks back on; 0: off."),
    ] = None,
    dtype: Annotated[
        str,
        option(
            "Model",
            "Of products: float32, bfloat16 (faster, where the processor has it) or float64.",
            choices=DTYPES,
        ),
    ] = MODEL.dtype,
    optimizer: Annotated[
        str, option("Optimisation", f"{', '.join(OPTIMIZERS)}.", choices=OPTIMIZERS)
    ] = TRAIN.optimizer,
    lr: Annotated[
        float, option("Optimisation", "0: one that suits optimizer, hidden size, cell and batch.")
    ] = TRAIN.lr,
    lr_schedule: Annotated[
        str, option("Optimisation", f"{', '.join(SCHEDULES)}.", choices=SCHEDULES)
    ] = TRAIN.lr_schedule,
    warmup: Annotated[
        int, option("Optimisation", "Steps of rising rate; a tenth of the run at most.")
    ] = TRAIN.warmup,
    weight_decay: Annotated[float, option("Optimisation", "0: off.")] = TRAIN.weight_decay,
    clip_norm: Annotated[
        float, option("Optimisation", "Largest norm of a gradient; 0: off.")
    ] = TRAIN.clip_norm,
    clip_value: Annotated[float, option("Optimisation", "Largest element of it; 0: off.")] = TRAIN.clip_value,
    weight_clip: Annotated[float, option("Optimisation", "Largest weight; 0: off.")] = TRAIN.weight_clip,
    teacher_forcing: Annotated[
        float, option("Optimisation", "Share of true inputs; the rest are the model's own predictions.")
    ] = TRAIN.teacher_forcing,
    seq_len: Annotated[int, option("Optimisation", "Characters of a chunk of BPTT.")] = TRAIN.seq_len,
    batch_size: Annotated[int | None, fitted_option("Optimisation", "Streams read side by side.")] = None,
    epochs: Annotated[float | None, fitted_option("Budget", "Passes over the text.")] = None,
    max_steps: Annotated[
        int, option("Budget", "Updates at most; 0: as many as epochs take.")
    ] = TRAIN.max_steps,
    max_time: Annotated[
        str, option("Budget", "For example 90s, 10m, 2h; alone, the schedule spans it; 0: no limit.")
    ] = "0",
    patience: Annotated[
        int, option("Budget", "Evaluations without a better one, then stop; 0: never.")
    ] = TRAIN.patience,
    eval_every: Annotated[
        int, option("Budget", "Steps between validations; 0: an epoch.")
    ] = TRAIN.eval_every,
    out: Annotated[
        Path | None,
        option(
            "Run",
            "NAME.npz; NAME does. Default: checkpoints/CORPUS-CELL.npz, with bytes CORPUS-CELL-bytes.npz.",
        ),
    ] = None,
    resume: Annotated[bool, option("Run", "Go on from NAME.last.npz, to the same bits.", "--resume")] = False,
    init_from: Annotated[
        Path | None, option("Run", "Fine-tune this checkpoint; --resume refuses another.")
    ] = None,
    extend_vocab: Annotated[bool, option("Run", "Add characters it lacks, or refuse them.")] = True,
    save_every: Annotated[int, option("Run", "Steps between saves; 0: each validation.")] = TRAIN.save_every,
    keep_last: Annotated[int, option("Run", "Keep the last N models too.")] = TRAIN.keep_last,
    sample_every: Annotated[int, option("Run", "Steps between samples; 0: none.")] = TRAIN.sample_every,
    log: Annotated[
        Path | None, option("Run", "Default: beside the checkpoint, NAME.jsonl; - is stdout.")
    ] = None,
    force: Annotated[bool, option("Run", "Overwrite an existing run.", "--force")] = False,
    seed: Annotated[int, option("Run", "The same seed gives the same bits.")] = TRAIN.seed,
    threads: Annotated[
        int, option("Run", "0: all cores this process may use; of MPI's, its share.")
    ] = TRAIN.threads,
    config: Annotated[
        Path | None,
        option("Run", "A TOML file of options, as charrnn info --toml prints; those given here win."),
    ] = None,
    dry_run: Annotated[
        bool, option("Run", "Show data, model, cost and files; write nothing.", "--dry-run")
    ] = False,
    quiet: Annotated[bool, option("Run", "Neither progress nor notes.", "--quiet", "-q")] = False,
) -> None:
    """Train a model on text by truncated backpropagation through time.

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
        refuse_folder(out)  # beside which NAME.npz would stand
    names = RunNames.of(out or default(name_of(corpus[0]), kind))
    log = log or names.log
    inputs = [*corpus, *filter(None, (val, init_from))]
    refuse_to_read_stdin_twice(inputs)
    if not ranks.rank:
        refuse_to_overwrite(names, log, inputs, force or resume or dry_run)

    from ..training.setup import Request  # NumPy and Numba come with it

    request = Request(
        corpus, model, training, names.best, given, val, init_from, extend_vocab, resume, ranks.size
    )
    if dry_run:
        show(request, log, quiet, ranks)
    else:
        raise typer.Exit(run(request, log, ["charrnn", *sys.argv[1:]], quiet, ranks))
