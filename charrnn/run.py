"""Training from Python: `model = charrnn.train("corpus.txt", cell="gru", max_time="5m")`."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, TypedDict, Unpack

from .api import Model, load
from .checkpoint.names import RunNames
from .cli.console import note
from .cli.display import display
from .cli.file_checks import same, seconds
from .cli.log import JsonLog
from .config import ModelConfig, TrainConfig, of_type
from .errors import UsageError, field, in_python, spelled
from .training.events import Event
from .training.run_lock import output
from .training.setup import Request, prepare
from .training.trainer import Trainer

MODEL, TRAIN = ModelConfig(), TrainConfig()
Files = str | Path | Sequence[str | Path]


class Options(TypedDict, total=False):
    """Options of the model and its training, as on the command line: see docs/options.md.

    Some that are not given are fitted to the text.
    """

    cell: str
    hidden_size: int
    num_layers: int
    embed_size: int
    dropout: float
    dtype: str
    attention: int
    level: str
    encoding: str
    encoding_errors: str
    join: str
    shuffle_lines: bool
    documents: str
    val_fraction: float
    test_fraction: float
    unknown: str
    optimizer: str
    lr: float
    lr_schedule: str
    warmup: int
    weight_decay: float
    clip_norm: float
    clip_value: float
    weight_clip: float
    teacher_forcing: float
    seq_len: int
    batch_size: int
    epochs: float
    max_steps: int
    max_time: float | str  # in seconds, or a str such as "5m"
    patience: int
    eval_every: int
    save_every: int
    keep_last: int
    sample_every: int
    seed: int
    threads: int


class Asked(Options, total=False):
    """All keyword arguments of `Run`."""

    text: str | None
    out: str | Path | None
    val: str | Path | None
    init_from: str | Path | None
    resume: bool
    extend_vocab: bool
    force: bool


class Run:
    """A training run.  Iterating over it trains the model, and yields events (charrnn.training.events).

        run = charrnn.Run("corpus.txt", cell="gru")
        for event in run:
            if event.name == "eval" and event.loss < 1.5:
                run.stop()
        model = run.model

    Ctrl-C ends training after the current step, a second one at once; the model so far is kept.
    """

    def __init__(
        self,
        corpus: Files = (),
        *,
        text: str | None = None,
        out: str | Path | None = None,
        val: str | Path | None = None,
        init_from: str | Path | None = None,
        resume: bool = False,
        extend_vocab: bool = True,
        force: bool = False,
        **options: Unpack[Options],
    ):
        """Read the text and set up the run.

        corpus: one file or several, read as one text.  text: a text, instead of files.  out: NAME, to write
        NAME.npz, NAME.last.npz and the log NAME.jsonl; without it, the run leaves no files.  val, init_from,
        resume, extend_vocab, force: as on the command line.
        Errors: UsageError, TextError, CheckpointError.
        """
        if bool(corpus) == (text is not None):
            raise UsageError(f"{field('corpus')} and {field('text')}", "give exactly one of them")
        if known := options.keys() - {*vars(MODEL), *vars(TRAIN)}:
            raise UsageError(f"there is no option {min(known)!r}", "see help(charrnn.Options)")
        if resume and not out:
            raise UsageError(f"{field('resume')} without {field('out')}", "name the run to continue")
        files = [corpus] if isinstance(corpus, str | Path) else corpus
        values: dict[str, Any] = {name: of_type(name, value) for name, value in options.items()}
        if isinstance(limit := values.get("max_time"), str):
            values["max_time"] = seconds(limit)
        if not out:
            folder = tempfile.mkdtemp(prefix="charrnn-")
            weakref.finalize(self, _remove, folder, os.getpid())
        self.names = RunNames.of(Path(out or Path(folder, "model")))
        self._kept, self._resume = out is not None, resume
        for path in () if resume or force else (self.names.best, self.names.last, self.names.log):
            if path.exists():
                raise UsageError(
                    f"{path} exists",
                    f"choose another {field('out')}, {field('resume', 'True')} to continue that run, or "
                    f"{field('force', 'True')} to overwrite it",
                )
        read = [*map(Path, files), *(Path(file) for file in (val, init_from) if file)]
        for path in (self.names.best, self.names.last, self.names.log):
            if any(same(path, other) for other in read):
                raise UsageError(f"{path} is read by this run", f"choose another {field('out')}")
        request = Request(
            [Path(file) for file in files],
            ModelConfig(**{name: values[name] for name in vars(MODEL).keys() & values}),
            TrainConfig(**{name: values[name] for name in vars(TRAIN).keys() & values}),
            self.names.best,
            {*values},
            Path(val) if val else None,
            Path(init_from) if init_from else None,
            extend_vocab,
            resume,
            text=text,
        )
        setup = prepare(request)
        self.notes = [spelled(text, in_python) for text in setup.notes]  # for the user
        told = {"corpus": [*map(str, files)]} if files else {}
        command = ", ".join(f"{name}={value!r}" for name, value in (told | values).items())
        self._trainer = Trainer(
            setup.plan.of_rank(),
            self.names.best,
            network=setup.network,
            origin=replace(setup.origin, command=f"charrnn.train({command})"),
        )
        self.sample = self._trainer.sample  # from the current model, or with True from the best

    def __iter__(self) -> Iterator[Event]:
        """Train, and yield each event.  Errors: DivergedError, CheckpointError."""
        with output(self.names.best), _interrupts(self.stop):
            if self._resume:
                self.notes.append(spelled(self._trainer.resume(), in_python))
            log = JsonLog(self.names.log, append=self._resume) if self._kept else nullcontext(_ignore)
            with log as record:
                for event in self._trainer.run():
                    record(event)
                    yield event

    def stop(self) -> None:
        """End training after the current step, and save everything."""
        self._trainer.stop()

    @property
    def model(self) -> Model:
        """The model with the lowest validation loss so far; without validation, the last.

        Errors: CheckpointError.
        """
        return load(self.names.best)


def train(
    corpus: Files = (),
    *,
    show: bool = True,
    on_event: Callable[[Event], None] = lambda event: None,
    **asked: Unpack[Asked],
) -> Model:
    """Train a model, and display the progress on a terminal or in a notebook.

        model = charrnn.train("corpus.txt", cell="gru", max_time="5m")
        print(model.sample("Once", temp=0.8))

    show: whether to print progress on stderr.  on_event: called with each event.  asked: see `Run`.
    Ctrl-C ends training after the current step; the best model so far is returned.
    """
    run = Run(corpus, **asked)
    for text in run.notes:
        note(text, not show)
    with display(not show, run.sample) as shown:
        for event in run:
            shown(event)
            on_event(event)
    return run.model


@contextmanager
def _interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """While entered, call `stop` on the first Ctrl-C; only Python's main thread receives signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _remove(folder: str, process: int) -> None:
    """Remove a temporary folder, only in the process that made it: a fork must not."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _ignore(event: Event) -> None:
    """Do nothing, in place of a log."""
