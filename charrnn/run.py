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
from .errors import UsageError, field
from .training.events import Event
from .training.run_lock import output
from .training.setup import Request, prepare
from .training.trainer import Trainer

MODEL, TRAIN = ModelConfig(), TrainConfig()
Files = str | Path | Sequence[str | Path]


class Options(TypedDict, total=False):
    """Of a model and its training, as on the command line: docs/options.md. Those not given fit the text."""

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
    max_time: float | str  # seconds, or for example "5m"
    patience: int
    eval_every: int
    save_every: int
    keep_last: int
    sample_every: int
    seed: int
    threads: int


class Asked(Options, total=False):
    """All that a run can be asked for: see `Run`."""

    text: str | None
    out: str | Path | None
    val: str | Path | None
    init_from: str | Path | None
    resume: bool
    extend_vocab: bool
    force: bool


class Run:
    """A training run: iterating trains, and yields what happens (charrnn.training.events).

        run = charrnn.Run("corpus.txt", cell="gru")
        for event in run:
            if event.name == "eval" and event.loss < 1.5:
                run.stop()
        model = run.model

    Ctrl-C ends it after the current step, a second one at once; what was reached is kept.
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
        """Everything is read and set up.

        corpus: files, read as one; or `text`, in memory.  out: NAME for NAME.npz, NAME.last.npz and the log
        NAME.jsonl; without it the model is in memory alone.  val, init_from, resume, extend_vocab, force: as
        on the command line.
        Errors: UsageError, TextError, CheckpointError.
        """
        if bool(corpus) == (text is not None):
            raise UsageError(f"{field('corpus')} and {field('text')}", "give one of them")
        if known := options.keys() - {*vars(MODEL), *vars(TRAIN)}:
            raise UsageError(f"there is no option {min(known)!r}", "see help(charrnn.Options)")
        if resume and not out:
            raise UsageError(f"{field('resume')} without {field('out')}", "name the run to go on with")
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
                    f"choose another {field('out')}, {field('resume', 'True')} to go on, or "
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
        self.notes = setup.notes  # what the user should know
        told = {"corpus": [*map(str, files)]} if files else {}
        command = ", ".join(f"{name}={value!r}" for name, value in (told | values).items())
        self._trainer = Trainer(
            setup.plan.of_rank(),
            self.names.best,
            network=setup.network,
            origin=replace(setup.origin, command=f"charrnn.train({command})"),
        )
        self.sample = self._trainer.sample  # from the model as it is now, or with True from the best

    def __iter__(self) -> Iterator[Event]:
        """Errors: DivergedError, CheckpointError."""
        with output(self.names.best), _interrupts(self.stop):
            if self._resume:
                self.notes.append(self._trainer.resume())
            log = JsonLog(self.names.log, append=self._resume) if self._kept else nullcontext(_ignore)
            with log as record:
                for event in self._trainer.run():
                    record(event)
                    yield event

    def stop(self) -> None:
        """End after the current step, with everything saved."""
        self._trainer.stop()

    @property
    def model(self) -> Model:
        """The best on validation so far; without a validation text, the last.  Errors: CheckpointError."""
        return load(self.names.best)


def train(
    corpus: Files = (),
    *,
    show: bool = True,
    on_event: Callable[[Event], None] = lambda event: None,
    **asked: Unpack[Asked],
) -> Model:
    """Train a model, and show how it goes, on a terminal or in a notebook.

        model = charrnn.train("corpus.txt", cell="gru", max_time="5m")
        print(model.sample("Once", temp=0.8))

    show: progress on stderr.  on_event: called with all that happens.  asked: see `Run`.
    Ctrl-C ends it after the current step; the model is then what was reached.
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
    """While entered, the first Ctrl-C calls `stop`; only Python's main thread can hear it."""
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
    """By the process that made it, not by a fork of it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _ignore(event: Event) -> None:
    """There is no log."""
