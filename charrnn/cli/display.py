"""What a person sees while a model trains: a live display on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..evaluation import perplexity
from ..events import Compiled, End, Evaluated, Event, Saved, Start, Step
from .console import COMPILING, SLOW, note, stderr

REFRESH = 0.1  # seconds between pictures on a terminal
LINE = 5.0  # seconds between lines elsewhere
SMOOTH = 0.05  # weight of the newest step in the loss and the speed that are shown


class Figures:
    """What is known of a run so far."""

    def __init__(self, start: Start):
        self.start = start
        self.step: Step | None = None
        self.val: Evaluated | None = None
        self.saved: Saved | None = None
        self.loss = self.seconds = 0.0  # of a step, smoothed

    def add(self, event: Event) -> None:
        if isinstance(event, Step):
            seconds = (event.chars - (self.step.chars if self.step else 0)) / event.chars_per_s
            weight = SMOOTH if self.step else 1
            self.loss += weight * (event.loss - self.loss)
            self.seconds += weight * (seconds - self.seconds)
            self.step = event
        elif isinstance(event, Evaluated):
            self.val = event
        elif isinstance(event, Saved):
            self.saved = event

    def words(self) -> list[tuple[str, str]]:
        """(name, value) of what is worth watching."""
        if self.step is None:
            return []
        step, start = self.step, self.start
        words = [
            ("step", f"{step.step}/{start.total_steps}"),
            ("epoch", f"{step.epoch:.2f}"),
            ("loss", f"{self.loss:.3f}"),
            ("bpc", f"{self.loss / math.log(2):.3f}"),
            ("perplexity", f"{perplexity(self.loss):.2f}"),
        ]
        if self.val:
            words += [
                ("val loss", f"{self.val.loss:.3f}"),
                ("val bpc", f"{self.val.bpc:.3f}"),
                ("val perplexity", f"{self.val.perplexity:.2f}"),
            ]
        return [
            *words,
            ("lr", f"{step.lr:.2g}"),
            ("grad norm", f"{step.grad_norm:.2g}"),
            ("chars/s", f"{step.chars / step.step / self.seconds:,.0f}"),
            ("left", duration((start.total_steps - step.step) * self.seconds)),
        ]


def duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Display:
    """Call it with each event of a run; `draw` is called when the picture should change."""

    def __init__(self, console: Console, every: float, draw: Callable[[Figures], None]):
        self.console, self.every, self.draw = console, every, draw
        self.figures: Figures | None = None
        self._drawn = 0.0
        self._compiling = threading.Timer(SLOW, note, (COMPILING,))
        self._compiling.daemon = True

    def __call__(self, event: Event) -> None:
        if isinstance(event, Start):
            self.figures = Figures(event)
            self.console.print(introduction(event))
            self._compiling.start()
        elif isinstance(event, Compiled):
            self._compiling.cancel()
            if event.seconds > SLOW:
                self.console.print(f"compiled in {event.seconds:.1f} s", style="dim")
        elif self.figures:
            self.figures.add(event)
            if isinstance(event, End):
                self.draw(self.figures)
                self.console.print(summary(self.figures, event))
            elif isinstance(event, Evaluated) or time.monotonic() - self._drawn >= self.every:
                self.draw(self.figures)
                self._drawn = time.monotonic()

    def close(self) -> None:
        self._compiling.cancel()


@contextmanager
def display(quiet: bool) -> Iterator[Callable[[Event], None]]:
    """A function to be called with each event."""
    console = stderr()
    if quiet:
        yield lambda event: None
    elif console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False) as live:
            shown = Display(console, REFRESH, lambda figures: live.update(picture(figures), refresh=True))
            try:
                yield shown
            finally:
                shown.close()
    else:
        shown = Display(console, LINE, lambda figures: console.print(line(figures)))
        try:
            yield shown
        finally:
            shown.close()


def introduction(start: Start) -> Text:
    c, corpus = start.config, start.corpus
    text = Text(
        f"{c['cell']}, {c['num_layers']} x {c['hidden_size']} units, {start.params:,} parameters; "
        f"{corpus['train']:,} characters to train on, {corpus['val']:,} to validate on (the text's tail), "
        f"{corpus['vocab']} different; {start.threads} threads, seed {start.seed}"
    )
    if start.batch_size < c["batch_size"]:
        text.append(f"\nthe text is short: {start.batch_size} streams in place of {c['batch_size']}")
    if not corpus["val"]:
        text.append("\nno validation: the last state is kept, not the best")
    return text


def line(figures: Figures) -> str:
    return "  ".join(f"{name} {value}" for name, value in figures.words())


def picture(figures: Figures) -> RenderableType:
    """A bar over the figures, as many to a row as the terminal is wide."""
    done = figures.step.step if figures.step else 0
    words = Text()
    for name, value in figures.words():
        words.append(f"{name} ".replace(" ", "\u00a0"), style="dim")
        words.append(value, style="bold")
        words.append("   ")
    return Group(ProgressBar(total=figures.start.total_steps, completed=done), words)


def summary(figures: Figures, end: End) -> RenderableType:
    """The end of a run: what was reached, where it is, and how to use it."""
    table = Table.grid(padding=(0, 2))
    best = end.best
    table.add_row("ended", f"{end.reason}, after {figures.step.step if figures.step else 0} steps")
    if "loss" in best:
        table.add_row(
            "best validation",
            f"{best['loss']:.4f} nats, {best['bpc']:.4f} bits, perplexity {best['perplexity']:.3f} "
            f"a character (step {best['step']})",
        )
    elif figures.step:
        table.add_row("training loss", f"{figures.loss:.4f} nats a character")
    table.add_row("speed", f"{end.chars_per_s:,.0f} characters/s, {end.train_s:.1f} s of training")
    if figures.saved:
        table.add_row("checkpoint", figures.saved.path)
        table.add_row("try", f"charrnn sample {shlex.quote(figures.saved.path)} --temp 0.8")
    return table
