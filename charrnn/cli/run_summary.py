"""The end of a run, as people read it: what was reached, where it is, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from math import inf

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..plotting.curves import epoch
from ..scoring.metrics import bits
from ..system.terminal import legible
from ..training.events import End, Sampled
from ..training.fitting import MOST_DROPOUT
from ..training.logs import OVERFITTED
from ..training.samples import TEMP
from .run_figures import Figures, duration, says
from .sparkline import sparkline

ENDED = {
    "epochs": "all epochs done",
    "steps": "all steps done",
    "time": "the time is up",
    "patience": "validation no longer improves",
}


def framed(sample: Sampled, height: int | None = None) -> Panel:
    """A sample in a frame of its own."""
    text = Text(legible(sample.text), style="italic")
    above = Text(f"sample at step {sample.step:,}", style="dim")
    return Panel(text, title=above, title_align="left", border_style="dim", height=height)


def history(figures: Figures) -> Text:
    """The validation losses so far as a line of blocks, from the first to the latest."""
    first, last = (f"{bits(loss):.3f}" for loss in (figures.vals[0], figures.vals[-1]))
    return Text.assemble(f"{first} ", (sparkline(figures.vals, width=36), "cyan"), f" {last} bpc")


def screenshot(figures: Figures, end: End) -> Iterator[Panel]:
    """The end of a run on a terminal: its figures, and the latest sample."""
    table = Table.grid(padding=(0, 2))
    for name, value in summary(figures, end):
        table.add_row(Text(name, style="dim"), value)
    yield Panel.fit(table, title=title(figures), title_align="left")
    if figures.sample:
        yield framed(figures.sample)


def title(figures: Figures) -> Text:
    """What was trained, in a few words."""
    if not figures.start:
        return Text()
    c = figures.start.config
    return Text(f"{c['cell']}, {c['num_layers']} x {c['hidden_size']} units", style="bold")


def summary(figures: Figures, end: End) -> Iterator[tuple[str, Text]]:
    """The end of a run: what was reached."""
    before = figures.resumed.step if figures.resumed else 0
    done = figures.step.step if figures.step else before
    now = f", {figures.steps:,} of them now," if before else ""
    yield (
        "ended",
        Text(f"{ENDED.get(end.reason, end.reason)}: {done:,} steps{now} in {duration(end.train_s)}"),
    )
    if figures.steps and end.reason != "diverged":
        yield "speed", Text(f"{end.chars_per_s:,.0f} characters/s")
        yield "training", Text(says(figures.loss))
    if "loss" in end.best:
        yield "best", Text.assemble((says(end.best["loss"]), "bold"), at_epoch(figures, end))
    if len(figures.vals) > 1:
        yield "validations", history(figures)
    if figures.test:
        yield "test", Text(says(figures.test.loss))


def at_epoch(figures: Figures, end: End) -> str:
    """When the best model was found."""
    if not figures.start:
        return ""
    per_epoch = figures.start.steps_per_epoch
    best, last = (step / per_epoch for step in (end.best["step"], max(figures.done, end.best["step"])))
    return f", at epoch {epoch(best)} of {epoch(last)}"


def overfitting(figures: Figures, end: End) -> Text | None:
    """What to try where validation became worse while training went on to get better."""
    start, vals = figures.start, figures.vals
    if not start or end.reason not in ENDED or end.best.get("loss") not in vals:
        return None
    at, last = vals.index(end.best["loss"]), vals[-1]
    best, learned = vals[at], figures.trained[-1] < figures.trained[at]
    if not (learned and OVERFITTED * best < last < inf):
        return None
    dropout = start.config["dropout"]
    try_ = (
        f"--dropout {min(dropout + 0.1, MOST_DROPOUT):.2g}"
        if dropout < MOST_DROPOUT
        else "a smaller --hidden-size"
    )
    sooner = "" if start.config["patience"] else ", or --patience 3 to stop sooner"
    return Text(
        f"validation rose from {best:.3f} to {last:.3f} while the training loss fell: over-fitting; "
        f"the best was kept; try {try_}{sooner}"
    )


def advice(figures: Figures, end: End) -> Iterator[tuple[str, Text]]:
    """Where the model is, and how to use it."""
    if told := overfitting(figures, end):
        yield "worse since", told
    path, step = figures.best(end) or ("", 0)
    if path:
        yield "checkpoint", Text(f"{path} (step {step:,})")
    if step:  # one that has learned something
        yield "sample it", Text(f"charrnn sample {shlex.quote(path)} --temp {TEMP}", style="bold")
    limited = end.reason == "time" and not figures.over_time
    if figures.last and (limited or end.reason == "interrupted"):
        yield "go on", Text(f"the same command with --resume, from step {figures.last.step:,}")
    if end.reason == "diverged":
        yield "start again", Text("the same command with a lower --lr, and --force to replace this run")
