"""The summary at the end of a run: results, files, and what to do next."""

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
from ..training.fitting import MOST_DROPOUT, fit_of
from ..training.logs import OVERFITTED
from ..training.samples import TEMP
from .run_figures import Figures, duration, says
from .sparkline import sparkline

ENDED = {
    "epochs": "all epochs done",
    "steps": "all steps done",
    "time": "time is up",
    "patience": "validation no longer improves",
}
FLAT = 3  # validations without improvement that may show overfitting
FAR_BELOW = 0.85  # training loss, as a share of the best validation loss


def framed(sample: Sampled, height: int | None = None) -> Panel:
    """Return a sample in a frame."""
    text = Text(legible(sample.text), style="italic")
    above = Text(f"sample at step {sample.step:,}", style="dim")
    return Panel(text, title=above, title_align="left", border_style="dim", height=height)


def history(figures: Figures) -> Text:
    """Return the validation losses so far as a sparkline."""
    first, last = (f"{bits(loss):.3f}" for loss in (figures.vals[0], figures.vals[-1]))
    return Text.assemble(f"{first} ", (sparkline(figures.vals, width=36), "cyan"), f" {last} bpc")


def screenshot(figures: Figures, end: End) -> Iterator[Panel]:
    """Yield the frames at the end of a run on a terminal: its figures and the latest sample."""
    table = Table.grid(padding=(0, 2))
    for name, value in summary(figures, end):
        table.add_row(Text(name, style="dim"), value)
    yield Panel.fit(table, title=title(figures), title_align="left")
    if figures.sample:
        yield framed(figures.sample)


def title(figures: Figures) -> Text:
    """Return the model in a few words."""
    if not figures.start:
        return Text()
    c = figures.start.config
    return Text(f"{c['cell']}, {c['num_layers']} x {c['hidden_size']} units", style="bold")


def summary(figures: Figures, end: End) -> Iterator[tuple[str, Text]]:
    """Yield the figures of a finished run, as names and values."""
    before = figures.resumed.step if figures.resumed else 0
    done = figures.step.step if figures.step else before
    now = f", {figures.steps:,} of them since resuming," if before else ""
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
    """Return the epoch of the best model."""
    if not figures.start:
        return ""
    per_epoch = figures.start.steps_per_epoch
    best, last = (step / per_epoch for step in (end.best["step"], max(figures.done, end.best["step"])))
    return f", at epoch {epoch(best)} of {epoch(last)}"


def overfitting(figures: Figures, end: End) -> Text | None:
    """Return a warning and advice if the training loss fell while the validation loss rose or stayed flat.

    Flat: no improvement in the last third of the validations, at least FLAT of them, and a training loss far
    below the best validation loss.
    """
    start, vals = figures.start, figures.vals
    if not start or end.reason not in ENDED or end.best.get("loss") not in vals:
        return None
    at, last = vals.index(end.best["loss"]), vals[-1]
    best, trained, since = vals[at], figures.trained[-1], len(vals) - 1 - at
    if not (trained < figures.trained[at] and last < inf):
        return None
    if last > OVERFITTED * best:
        happened = f"rose from {best:.3f} to {last:.3f} while the training loss fell"
    elif since >= max(FLAT, len(vals) // 3) and trained < FAR_BELOW * best:
        happened = f"has not improved on {best:.3f} in the last {since} validations, but the training loss "
        happened += f"fell to {trained:.3f}"
    else:
        return None
    dropout, usual = start.config["dropout"], fit_of(start.corpus["train"]).dropout
    try_ = (
        f"--dropout {min(max(dropout + 0.1, usual), MOST_DROPOUT):.2g}"
        if dropout < MOST_DROPOUT
        else "a smaller --hidden-size"
    )
    sooner = "" if start.config["patience"] else ", or --patience 3 to stop sooner"
    return Text(f"the validation loss {happened}; the best model was kept; try {try_}{sooner}")


def advice(figures: Figures, end: End) -> Iterator[tuple[str, Text]]:
    """Yield where the model is and what to do next, as names and values."""
    if told := overfitting(figures, end):
        yield "overfitting", told
    path, step = figures.best(end) or ("", 0)
    if path:
        yield "checkpoint", Text(f"{path} (step {step:,})")
    if step:  # not the untrained model
        yield "sample it", Text(f"charrnn sample {shlex.quote(path)} --temp {TEMP}", style="bold")
    limited = end.reason == "time" and not figures.over_time
    if figures.last and (limited or end.reason == "interrupted"):
        yield "continue", Text(f"the same command with --resume, from step {figures.last.step:,}")
    if end.reason == "diverged":
        yield "start again", Text("the same command with a lower --lr, and --force to overwrite this run")
