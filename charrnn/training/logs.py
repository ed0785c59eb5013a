"""Read the logs of training runs: options, losses of steps and evaluations, and how the runs ended."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..checkpoint.names import without_ending
from ..errors import LogError, TextError
from ..system.stdio import STDIO, name_of

REMEDY = "choose the .jsonl file that charrnn train wrote next to its checkpoint"
LARGEST = 1e15  # limit of any figure
OVERFITTED = 1.01  # a last validation loss this many times the best is reported; less may be chance


class Point(NamedTuple):
    """One loss of a run, and when it was measured."""

    step: int
    epoch: float
    chars: float
    seconds: float
    loss: float  # nats per character

    @property
    def bpc(self) -> float:
        """Bits per character."""
        return self.loss / math.log(2)


@dataclass
class Run:
    """One run, as its log describes it, including all its resumptions."""

    log: str  # the file, or stdin
    config: dict[str, Any] = field(default_factory=dict)
    text: str = ""  # digest of the training corpus
    train: list[Point] = field(default_factory=list)
    val: list[Point] = field(default_factory=list)
    best: Point | None = None  # the validation of the saved best model
    test: float | None = None  # loss of the best model on the test text
    ended: str = ""  # the reason; empty while it runs, and if it was killed
    before: float = 0.0  # seconds that earlier processes of the run took

    @property
    def name(self) -> str:
        """The name of the log, without its ending."""
        return str(without_ending(Path(self.log)))

    @property
    def epochs(self) -> float:
        """Epochs done."""
        return max((point.epoch for point in self._last()), default=0.0)

    @property
    def seconds(self) -> float:
        """Seconds of training, validation and saving, in all processes."""
        return max((point.seconds for point in self._last()), default=0.0)

    def _last(self) -> list[Point]:
        return self.train[-1:] + self.val[-1:]

    def cut(self, step: int) -> None:
        """Drop what came after a step to which the run went back."""
        self.train = [point for point in self.train if point.step <= step]
        self.val = [point for point in self.val if point.step <= step]

    def go_on(self, step: int, config: dict[str, Any]) -> None:
        """Continue in another process, from what was saved at a step."""
        self.cut(step)
        if self.best and self.best.step > step:
            self.best = min(self.val, key=lambda point: point.loss, default=None)
        self.config, self.before = config, self.seconds
        self.test, self.ended = None, ""

    def validated(self, point: Point) -> None:
        self.val.append(point)
        if self.best is None or point.loss < self.best.loss:
            self.best = point


def read(path: Path) -> list[Run]:
    """Return the runs of a log, or of stdin for -: one, unless several logs were joined.

    Errors: LogError for a file that is not a log or has no run yet; TextError for one that cannot be read.
    """
    runs: list[Run] = []
    name = name_of(path)
    for event in _events(path, name):
        _add(runs, event, name)
    if not runs:
        raise without_losses(name)
    # a run without steps is either about to begin, or was started again
    return [run for run in runs if run.train or run.ended or run is runs[-1]]


def without_losses(name: str) -> LogError:
    """Return the error for a log without losses."""
    return LogError(f"{name} has no losses", f"wait for the first step of the run, or {REMEDY}")


def _events(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file's lines; a killed run may have left the last line incomplete."""
    try:
        text = sys.stdin.buffer.read() if path == STDIO else path.read_bytes()
    except OSError as error:
        raise TextError(f"{name} cannot be read: {error.strerror}", REMEDY) from None
    lines = text.split(b"\n")
    for number, line in enumerate(lines, 1):
        event = None
        with suppress(ValueError, RecursionError):
            event = json.loads(line)
        if isinstance(event, dict) and "event" in event:
            yield event
        elif line and (number == 1 or number < len(lines)):
            raise LogError(f"line {number} of {name} is not an event of a training log", REMEDY)


def _add(runs: list[Run], event: dict[str, Any], name: str) -> None:
    """Add an event to the runs; ignore other events, and losses that are not numbers."""
    match event:
        case {"event": "start", "config": dict(config)}:
            corpus = event.get("corpus")
            runs.append(Run(name, config, str(corpus.get("sha256")) if isinstance(corpus, dict) else ""))
        case {"event": "resumed", "step": int(step)} if runs:
            earlier = [run for run in runs if run.train]
            if earlier:
                earlier[-1].go_on(step, runs[-1].config)
            runs[:] = earlier or runs[-1:]
        case {"event": "step", "chars": int()} if point := _point(event):
            if not runs:  # the start of the log is missing
                runs.append(Run(name))
            runs[-1].train.append(point._replace(seconds=runs[-1].before + point.seconds))
        case _ if runs:
            _add_to(runs[-1], event)


def _add_to(run: Run, event: dict[str, Any]) -> None:
    match event:
        case {"event": "rewound", "step": int(step)}:
            run.cut(step)  # the best model stays
        case {"event": "eval", "split": "val"} if run.train and (point := _point(event)):
            run.validated(_placed(run, point))
        case {"event": "eval", "split": "test"} if point := _point(event):
            run.test = point.loss
        case {"event": "end", "reason": str(reason)}:
            run.ended = reason
            match event.get("best"):
                # if not among run.val, an earlier process found it, or the run has gone back since
                case dict(best) if point := _point(best | {"elapsed_s": 0}):
                    same = [each for each in run.val if (each.step, each.loss) == (point.step, point.loss)]
                    run.best = same[-1] if same else point


def _placed(run: Run, point: Point) -> Point:
    """Add to a validation what the log omits: the characters read so far."""
    last = run.train[-1]
    return point._replace(chars=last.chars * point.step / last.step, seconds=run.before + point.seconds)


def _point(event: dict[str, Any]) -> Point | None:
    """Return the figures of an event, if they can be plotted; its seconds are those of its process."""
    names = ("step", "epoch", "chars", "elapsed_s", "loss")
    values: list[Any] = [event.get(name, 0 if name == "chars" else None) for name in names]
    match values:
        case [int(step), int() | float(), int(), int() | float(), int() | float()]:
            if step > 0 and all(0 <= value < LARGEST for value in values):
                return Point(*values)
    return None
