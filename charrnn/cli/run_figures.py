"""The figures of a run while it trains, as they are displayed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from ..checkpoint.names import RunNames
from ..scoring.metrics import bits, perplexity
from ..training.events import (
    Compiled,
    End,
    Evaluated,
    Evaluating,
    Event,
    Resumed,
    Rewound,
    Sampled,
    Saved,
    Skipped,
    Start,
    Step,
)

SMOOTH = 0.1  # weight of the newest step in the displayed loss and speed

FIRST = "first step"

Words = list[tuple[str, str]]  # (name, value) pairs


class Figures:
    """The state of a run so far, from its events."""

    def __init__(self) -> None:
        self.start: Start | None = None
        self.step: Step | None = None
        self.vals: list[float] = []  # validation losses
        self.trained: list[float] = []  # smoothed training losses at the same steps
        self.sample: Sampled | None = None  # the latest
        self.test: Evaluated | None = None
        self.saved: Saved | None = None
        self.last: Saved | None = None
        self.loss = self.speed = 0.0  # of a step, smoothed
        self.resumed: Resumed | None = None
        self.running = ""  # what is running now, other than a step after the first
        self.compiling: float | None = None  # time.monotonic() when compiling began, while it lasts
        self.steps = 0  # steps of this process, including those repeated after going back

    def add(self, event: Event) -> None:
        """Take in the next event."""
        self._begun(event)
        match event:
            case Start():
                self.start = event
            case Resumed():
                self.resumed = event
            case Rewound() if self.step:
                self.step = replace(self.step, step=event.step)
            case Step():
                self.steps += 1
                weight = max(SMOOTH, 1 / self.steps)
                self.loss += weight * (event.loss - self.loss)
                self.speed += weight * (event.chars_per_s - self.speed)
                self.step = event
            case Evaluated() if event.split == "test":
                self.test = event
            case Evaluated():
                self.vals.append(event.loss)
                self.trained.append(self.loss)
            case Sampled():
                self.sample = event
            case Saved(kind="last"):
                self.last = event
            case Saved(kind="best"):
                self.saved = event

    def _begun(self, event: Event) -> None:
        """Set what is running from this event on, if it may take long."""
        match event:
            case Evaluating():
                self.running = "validation" if event.split == "val" else "test"
            case Compiled():
                self.running = FIRST
            case Evaluated():
                self.running = "" if self.step else FIRST
            case Step() | Skipped() | Rewound() | End():
                self.running = ""

    @property
    def done(self) -> int:
        """Steps of the run so far."""
        return self.step.step if self.step else self.resumed.step if self.resumed else 0

    def waits_for(self) -> str:
        """Return a line about what is running, or an empty string."""
        total = self.start.total_steps if self.start else 0
        what = f"step {self.done + 1} of {total}" if self.running == FIRST else f"the {self.running}"
        return f"{what} is running" if self.running else ""

    def best(self, end: End) -> tuple[str, int] | None:
        """Return the best model's path and step; an earlier process may have saved it."""
        if self.saved:
            return self.saved.path, self.saved.step
        if self.resumed and end.best:
            return str(RunNames.of(Path(self.resumed.path)).best), end.best["step"]
        return None

    @property
    def over_time(self) -> bool:
        """Whether the schedule spans --max-time, so that the run is complete when the time is up."""
        return bool(self.start and self.start.config.get("schedule_over") == "time")

    def ahead(self) -> tuple[float, float]:
        """Return the seconds left and the share done, by the steps or by --max-time, whichever ends first."""
        step, start = self.step, self.start
        if not (step and start):
            return math.inf, self.done / start.total_steps if start else 0.0
        seconds, total = step.elapsed_s, start.total_steps
        by_steps = seconds / self.steps * (total - step.step), step.step / total
        limit = start.config["max_time"]
        spent = seconds + (self.resumed.seconds if self.resumed and self.over_time else 0.0)
        return min(by_steps, (max(0.0, limit - spent), spent / limit)) if limit else by_steps

    def rows(self) -> list[Words]:
        """Return rows of three figures, for a table of 60 columns; before the first step, what is running."""
        step, start = self.step, self.start
        if not (step and start):
            return [[("step", f"{self.done}/{start.total_steps}"), ("now", self.running)]] if start else []
        rows = [
            [
                ("step", f"{step.step}/{start.total_steps}"),
                ("epoch", f"{step.epoch:.2f}"),
                ("now", self.running) if self.running else ("left", duration(self.ahead()[0])),
            ],
            losses("", self.loss),
            [
                ("lr", f"{step.lr:g}"),
                ("grad norm", f"{step.grad_norm:.3f}"),
                ("chars/s", f"{self.speed:,.0f}"),
            ],
        ]
        if self.vals:
            rows.insert(2, losses("val ", self.vals[-1]))
        return rows


def losses(prefix: str, loss: float) -> Words:
    """Return a loss with its bits per character and perplexity."""
    return [
        (f"{prefix}loss", f"{loss:.3f}"),
        (f"{prefix}bpc", f"{bits(loss):.3f}"),
        (f"{prefix}perplexity", f"{perplexity(loss):.2f}"),
    ]


def duration(seconds: float) -> str:
    """Return a duration as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def says(loss: float) -> str:
    """Return a loss, its bits per character and perplexity in words."""
    return ", ".join(f"{name} {value}" for name, value in losses("", loss))
