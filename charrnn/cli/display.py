"""The progress of training: a live display on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Timer

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..system.new_threads import can_start, start
from ..system.terminal import legible
from ..training.events import (
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
from .console import COMPILING, SLOW, explain_compiling, note, stderr
from .output import visible
from .run_figures import Figures, duration
from .run_summary import advice, framed, history, screenshot, summary

PICTURES = 5  # refreshes per second, on a terminal
BAR = 60  # columns; a longer bar would break in two when the terminal is made narrower
SAMPLE = 6  # lines of the latest sample, a fixed number so that nothing below it moves
LINE = 5.0  # seconds between lines elsewhere


@contextmanager
def display(quiet: bool, draw: Callable[[bool], Sampled]) -> Iterator[Callable[[Event], None]]:
    """Yield a function to be called with each event; on a terminal it also shows samples.

    draw: samples from the current model or, called with True, from the best one saved.
    """
    if quiet:
        yield lambda event: None
        return
    console, figures = stderr(), Figures()
    with ExitStack() as stack:
        live = None
        if console.is_terminal and not console.is_dumb_terminal and can_start():
            live = Live(
                console=console,
                get_renderable=lambda: picture(figures, console.height),
                refresh_per_second=PICTURES,
                redirect_stdout=False,
                redirect_stderr=False,
                transient=True,  # the summary takes its place
            )
            stack.enter_context(live)
        narrator = Narrator(console, figures, live, draw, stack.enter_context(ExitStack()))
        stack.callback(narrator.stop_waiting)
        yield narrator


class Narrator:
    """Print what happens in a run, event by event.

    live: the live display on a terminal, which also shows samples; elsewhere None, and lines are printed.
    """

    def __init__(
        self,
        console: Console,
        figures: Figures,
        live: Live | None,
        draw: Callable[[bool], Sampled],
        stack: ExitStack,
    ):
        self.console, self.figures, self.live, self.draw, self.stack = console, figures, live, draw, stack
        self._said = time.monotonic()
        self._timer: Timer | None = None

    def __call__(self, event: Event) -> None:
        before = self.figures.waits_for()
        self.figures.add(event)
        if not self.live and self.figures.waits_for() != before:
            self._wait()
        match event:
            case Start():
                self.console.print(introduction(event))
                watch = partial(setattr, self.figures, "compiling") if self.live else None
                self.stack.enter_context(explain_compiling(watch=watch))
                self._sample()  # from the untrained model; also compiles before the clock starts
            case Compiled():
                self.stack.close()
            case Step() if self.live:
                if self._epoch_without_validation(event):
                    self._sample()
            case Step() if time.monotonic() - self._said >= LINE:
                self._said = time.monotonic()
                self.console.print(line(self.figures))
            case Evaluated(split="val"):
                self._sample()
            case Resumed():
                self.console.print(f"resuming from {event.path} at step {event.step}")
            case Skipped():
                self.console.print(f"skipped step {event.step}: its loss is {event.loss:.4g}")
            case Saved():
                for text in event.notes:
                    note(text)
            case Rewound():
                rate = f"{event.lr_scale:g} times the learning rate"
                self.console.print(f"back to step {event.step}, the last good state, with {rate}")
            case Sampled():
                self.console.print(Text(f"sample at step {event.step:,}:", style="dim"))
                self.console.print(Text(legible(event.text), style="italic"), soft_wrap=True)
            case End():
                self._summarise(event)

    def _wait(self) -> None:
        """Name what is running if it takes longer than some seconds."""
        self.stop_waiting()
        if told := self.figures.waits_for():
            self._timer = Timer(LINE, self.console.print, (told,))
            start(self._timer)

    def stop_waiting(self) -> None:
        """Stop the timer, so that no thread is left."""
        if self._timer:
            self._timer.cancel()

    def _epoch_without_validation(self, step: Step) -> bool:
        start = self.figures.start
        return bool(start and not start.corpus["val"] and step.step % start.steps_per_epoch == 0)

    def _sample(self, best: bool = False) -> None:
        """Add a sample to the live display, unless --sample-every prints samples anyway."""
        if self.live and self.figures.start and not self.figures.start.config["sample_every"]:
            self.figures.add(self.draw(best))

    def _summarise(self, end: End) -> None:
        """Print the summary, in a frame on a terminal; commands to copy come below, where they may wrap."""
        rows = list(advice(self.figures, end))
        if self.live:
            self.live.stop()
            if end.best and self.figures.best(end):
                self._sample(best=True)
            self.console.print(*screenshot(self.figures, end), sep="\n")
        else:
            rows = [*summary(self.figures, end), *rows]
        for name, value in rows:
            row = Text.assemble((f"{name:<12}", "dim"), value)
            self.console.print(row, soft_wrap=True)  # a command that wraps can still be copied


def introduction(start: Start) -> Text:
    """Return the first lines of a run: model, data, and what was chosen."""
    c, corpus = start.config, start.corpus
    ranks = f"{start.ranks} processes, each of " if start.ranks > 1 else ""
    text = Text(
        f"{c['cell']}, {c['num_layers']} x {c['hidden_size']} units, {start.params:,} parameters; "
        f"{ranks}{start.threads} threads, seed {start.seed}\n"
        f"{corpus['train']:,} characters to train on, {corpus['val']:,} to validate on, "
        f"{corpus['vocab']:,} different"
    )
    if start.fitted:
        text.append(f"\n{visible(start.fitted)}")  # escaped: in a resumed run it comes from a file
    if start.batch_size < c["batch_size"]:
        text.append(f"\nthe text is short: {start.batch_size} streams instead of {c['batch_size']}")
    if not corpus["val"]:
        text.append("\nno validation text: the last model is kept, not the best")
    return text


def line(figures: Figures) -> str:
    """Return the figures in one line."""
    return "  ".join(f"{name} {value}" for row in figures.rows() for name, value in row)


def picture(figures: Figures, height: int) -> RenderableType:
    """Return a progress bar, the figures, the validation losses and the latest sample, as far as they fit."""
    if figures.compiling and (seconds := time.monotonic() - figures.compiling) > SLOW:
        return Text(f"{COMPILING}  {duration(seconds)}")
    if not (figures.step or figures.running):
        return Text()
    bar, table = Table.grid(), Table.grid(padding=(0, 3))
    bar.add_row(ProgressBar(total=1.0, completed=figures.ahead()[1], width=BAR))
    for row in figures.rows():
        cells = [Text.assemble((f"{name} ", "dim"), (value, "bold"), no_wrap=True) for name, value in row]
        table.add_row(*cells)
    parts: list[RenderableType] = [bar, table]
    if len(figures.vals) > 1 and height > 8:
        parts.append(Text.assemble(("validation ", "dim"), history(figures)))
    if figures.sample and height > SAMPLE + 10:
        parts.append(framed(figures.sample, height=SAMPLE + 2))
    return Group(*parts)
