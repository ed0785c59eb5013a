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

from ..events import Compiled, End, Event, Resumed, Rewound, Sampled, Skipped, Start, Step
from .console import explain_compiling, stderr
from .figures import Figures, duration, says
from .output import visible

PICTURES = 5  # a second, on a terminal
BAR = 60  # columns: a terminal made narrower would break a longer bar in two
LINE = 5.0  # seconds between lines elsewhere
ENDED = {
    "epochs": "all epochs done",
    "steps": "all steps done",
    "time": "the time is up",
    "patience": "validation no longer improves",
}


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
                self.console.print(Text(f"sample at step {event.step:,}:", style="dim"))
                self.console.print(Text(visible(event.text, keep="\n\t"), style="italic"), soft_wrap=True)
            case End():
                for row in summary(self.figures, event):
                    self.console.print(row, soft_wrap=True)  # a command that wraps can still be copied


def introduction(start: Start) -> Text:
    c, corpus = start.config, start.corpus
    text = Text(
        f"{c['cell']}, {c['num_layers']} x {c['hidden_size']} units, {start.params:,} parameters; "
        f"{f'{start.ranks} processes of ' * (start.ranks > 1)}{start.threads} threads, seed {start.seed}\n"
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
    bar, table = Table.grid(), Table.grid(padding=(0, 3))
    bar.add_row(ProgressBar(total=1.0, completed=figures.ahead()[1], width=BAR))
    for row in figures.rows():
        cells = [Text.assemble((f"{name} ", "dim"), (value, "bold"), no_wrap=True) for name, value in row]
        table.add_row(*cells)
    return Group(bar, table)


def summary(figures: Figures, end: End) -> Iterator[Text]:
    """The end of a run: what was reached, where it is, and how to use it."""

    def row(name: str, value: str, style: str = "") -> Text:
        return Text.assemble((f"{name:<12}", "dim"), (value, style))

    before = figures.resumed.step if figures.resumed else 0
    done = figures.step.step if figures.step else before
    now = f", {figures.steps:,} of them now," if before else ""
    yield row("ended", f"{ENDED.get(end.reason, end.reason)}: {done:,} steps{now} in {duration(end.train_s)}")
    if figures.steps and end.reason != "diverged":
        yield row("speed", f"{end.chars_per_s:,.0f} characters/s")
        yield row("training", says(figures.loss))
    if "loss" in end.best:
        yield row("validation", says(end.best["loss"]))
    if figures.test:
        yield row("test", says(figures.test.loss))
    path, step = figures.best(end) or ("", 0)
    if path:
        yield row("checkpoint", f"{path} (step {step:,})")
    if step:  # one that has learned something
        yield row("sample it", f"charrnn sample {shlex.quote(path)} --temp 0.8", "bold")
    if figures.last and end.reason in ("interrupted", "time"):
        yield row("go on", f"the same command with --resume, from step {figures.last.step:,}")
    if end.reason == "diverged":
        yield row("start again", "the same command with a lower --lr, and --force to replace this run")
