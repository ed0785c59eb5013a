"""What a person sees while a model trains: a live picture on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..evaluation import perplexity
from ..events import (
    Compiled,
    End,
    Evaluated,
    Event,
    Resumed,
    Rewound,
    Sampled,
    Saved,
    Skipped,
    Start,
    Step,
)
from .console import explain_compiling, stderr
from .output import visible

PICTURES = 5  # a second, on a terminal
LINE = 5.0  # seconds between lines elsewhere
SMOOTH = 0.1  # weight of the newest step in the loss and the speed that are shown
ENDED = {
    "epochs": "all epochs done",
    "steps": "all steps done",
    "time": "the time is up",
    "patience": "validation no longer improves",
}

Words = list[tuple[str, str]]  # (name, value) of what is worth watching


@contextmanager
def display(quiet: bool) -> Iterator[Callable[[Event], None]]:
    """A function to be called with each event."""
    if quiet:
        yield lambda event: None
        return
    console, figures = stderr(), Figures()
    with ExitStack() as stack:
        if live := console.is_terminal and not console.is_dumb_terminal:
            stack.enter_context(
                Live(
                    console=console,
                    get_renderable=lambda: picture(figures),
                    refresh_per_second=PICTURES,
                    redirect_stdout=False,
                    redirect_stderr=False,
                    transient=True,  # the summary takes its place
                )
            )
        yield Narrator(console, figures, math.inf if live else LINE, stack.enter_context(ExitStack()))


class Figures:
    """What is known of a run so far."""

    def __init__(self) -> None:
        self.start: Start | None = None
        self.step: Step | None = None
        self.val: Evaluated | None = None
        self.test: Evaluated | None = None
        self.saved: Saved | None = None
        self.last: Saved | None = None
        self.loss = self.speed = 0.0  # of a step, smoothed
        self.resumed = 0  # the step from which this process goes on

    def add(self, event: Event) -> None:
        match event:
            case Start():
                self.start = event
            case Resumed():
                self.resumed = event.step
            case Step():
                weight = max(SMOOTH, 1 / max(1, event.step - self.resumed))
                self.loss += weight * (event.loss - self.loss)
                self.speed += weight * (event.chars_per_s - self.speed)
                self.step = event
            case Evaluated() if event.split == "test":
                self.test = event
            case Evaluated():
                self.val = event
            case Saved(kind="last"):
                self.last = event
            case Saved(kind="best"):
                self.saved = event

    def rows(self) -> list[Words]:
        """Three figures a row: a table that fits into 60 columns."""
        step, start = self.step, self.start
        if not (step and start):
            return []
        left = step.elapsed_s / max(1, step.step - self.resumed) * (start.total_steps - step.step)
        rows = [
            [
                ("step", f"{step.step}/{start.total_steps}"),
                ("epoch", f"{step.epoch:.2f}"),
                ("left", duration(left)),
            ],
            losses("", self.loss),
            [
                ("lr", f"{step.lr:g}"),
                ("grad norm", f"{step.grad_norm:.3f}"),
                ("chars/s", f"{self.speed:,.0f}"),
            ],
        ]
        if self.val:
            rows.insert(2, losses("val ", self.val.loss))
        return rows


def losses(prefix: str, loss: float) -> Words:
    return [
        (f"{prefix}loss", f"{loss:.3f}"),
        (f"{prefix}bpc", f"{loss / math.log(2):.3f}"),
        (f"{prefix}perplexity", f"{perplexity(loss):.2f}"),
    ]


def duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Narrator:
    """Called with each event: says what starts, how it goes (once in `every` seconds) and how it ended."""

    def __init__(self, console: Console, figures: Figures, every: float, stack: ExitStack):
        self.console, self.figures, self.every, self.stack = console, figures, every, stack
        self._said = time.monotonic()

    def __call__(self, event: Event) -> None:
        self.figures.add(event)
        match event:
            case Start():
                self.console.print(introduction(event))
                self.stack.enter_context(explain_compiling())
            case Compiled():
                self.stack.close()
            case Step() if time.monotonic() - self._said >= self.every:
                self._said = time.monotonic()
                self.console.print(line(self.figures))
            case Resumed():
                self.console.print(f"going on from {event.path}, step {event.step}")
            case Skipped():
                self.console.print(f"step {event.step} was not learned: its loss is {event.loss:.4g}")
            case Rewound():
                rate = f"{event.lr_scale:g} of the learning rate"
                self.console.print(f"back at step {event.step}, the last good state, with {rate}")
            case Sampled():
                self.console.print(Text(visible(event.text, keep="\n\t"), style="italic"))
            case End():
                for row in summary(self.figures, event):
                    self.console.print(row, soft_wrap=True)  # a command that wraps can still be copied


def introduction(start: Start) -> Text:
    c, corpus = start.config, start.corpus
    text = Text(
        f"{c['cell']}, {c['num_layers']} x {c['hidden_size']} units, {start.params:,} parameters; "
        f"{start.threads} threads, seed {start.seed}\n"
        f"{corpus['train']:,} characters to train on, {corpus['val']:,} to validate on, "
        f"{corpus['vocab']:,} different"
    )
    if start.batch_size < c["batch_size"]:
        text.append(f"\nthe text is short: {start.batch_size} streams in place of {c['batch_size']}")
    if not corpus["val"]:
        text.append("\nno validation: the last state is kept, not the best")
    return text


def line(figures: Figures) -> str:
    return "  ".join(f"{name} {value}" for row in figures.rows() for name, value in row)


def picture(figures: Figures) -> RenderableType:
    """A bar over the figures; nothing before the first step."""
    if not (figures.step and figures.start):
        return Text()
    bar, table = Table.grid(expand=True), Table.grid(padding=(0, 3))
    bar.add_row(ProgressBar(total=figures.start.total_steps, completed=figures.step.step))
    for row in figures.rows():
        cells = [Text.assemble((f"{name} ", "dim"), (value, "bold"), no_wrap=True) for name, value in row]
        table.add_row(*cells)
    return Group(bar, table)


def summary(figures: Figures, end: End) -> Iterator[Text]:
    """The end of a run: what was reached, where it is, and how to use it."""

    def row(name: str, value: str, style: str = "") -> Text:
        return Text.assemble((f"{name:<12}", "dim"), (value, style))

    steps, best = figures.step.step if figures.step else 0, end.best
    yield row("ended", f"{ENDED.get(end.reason, end.reason)}: {steps:,} steps in {duration(end.train_s)}")
    yield row("speed", f"{end.chars_per_s:,.0f} characters/s")
    if steps:
        yield row("training", says(figures.loss))
    if "loss" in best:
        yield row("validation", says(best["loss"]))
    if figures.test:
        yield row("test", says(figures.test.loss))
    if figures.saved:
        yield row("checkpoint", f"{figures.saved.path} (step {figures.saved.step:,})")
        yield row("sample it", f"charrnn sample {shlex.quote(figures.saved.path)} --temp 0.8", "bold")
    if figures.last and end.reason in ("interrupted", "time"):
        yield row("go on", f"the same command with --resume, from step {figures.last.step:,}")


def says(loss: float) -> str:
    return ", ".join(f"{name} {value}" for name, value in losses("", loss))
