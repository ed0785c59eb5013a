"""What the logs of training runs say: options, losses of steps and evaluations, and how they ended."""

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

REMEDY = "name the .jsonl that charrnn train wrote beside its checkpoint"
LARGEST = 1e15  # of any figure
OVERFITTED = 1.01  # a last validation of so many times the best is told: less may be chance


class Point(NamedTuple):
    """One figure of a run."""

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
    """What a log says of one run; a run that was resumed is one."""

    log: str  # the file, or stdin
    config: dict[str, Any] = field(default_factory=dict)
    text: str = ""  # the digest of what was trained on
    train: list[Point] = field(default_factory=list)
    val: list[Point] = field(default_factory=list)
    best: Point | None = None  # the validation of the model that is kept
    test: float | None = None  # that model's loss on the test text
    ended: str = ""  # why; nothing while it runs, and of one that was killed
    before: float = 0.0  # seconds, of the processes that it goes on from

    @property
    def name(self) -> str:
        """Of the log, without its ending."""
        return str(without_ending(Path(self.log)))

    @property
    def epochs(self) -> float:
        """As far as it came."""
        return max((point.epoch for point in self._last()), default=0.0)

    @property
    def seconds(self) -> float:
        """Of training, validation and saving, in all processes."""
        return max((point.seconds for point in self._last()), default=0.0)

    def _last(self) -> list[Point]:
        return self.train[-1:] + self.val[-1:]

    def cut(self, step: int) -> None:
        """Forget what came after a step that the run went back to."""
        self.train = [point for point in self.train if point.step <= step]
        self.val = [point for point in self.val if point.step <= step]

    def go_on(self, step: int, config: dict[str, Any]) -> None:
        """In another process, from what was saved at a step."""
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
    """The runs of a log, or of stdin for -; a log has one, unless several were joined.

    Errors: LogError for a file that is no log or has no run yet, TextError for one that cannot be read.
    """
    runs: list[Run] = []
    name = name_of(path)
    for event in _events(path, name):
        _add(runs, event, name)
    if not runs:
        raise without_losses(name)
    # one that has done nothing is about to begin, or was begun anew
    return [run for run in runs if run.train or run.ended or run is runs[-1]]


def without_losses(name: str) -> LogError:
    """What to raise of a log that has none."""
    return LogError(f"{name} has no losses", f"wait for the run's first step, or {REMEDY}")


def _events(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """The objects of a file's lines; the last line may have been cut short by a kill."""
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
            raise LogError(f"{name}, line {number}: no event of a training log", REMEDY)


def _add(runs: list[Run], event: dict[str, Any], name: str) -> None:
    """Events that say nothing of a run's course, and losses that are no numbers, are passed over."""
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
            if not runs:  # the log's beginning is lost
                runs.append(Run(name))
            runs[-1].train.append(point._replace(seconds=runs[-1].before + point.seconds))
        case _ if runs:
            _add_to(runs[-1], event)


def _add_to(run: Run, event: dict[str, Any]) -> None:
    match event:
        case {"event": "rewound", "step": int(step)}:
            run.cut(step)  # but the best model stays
        case {"event": "eval", "split": "val"} if run.train and (point := _point(event)):
            run.validated(_placed(run, point))
        case {"event": "eval", "split": "test"} if point := _point(event):
            run.test = point.loss
        case {"event": "end", "reason": str(reason)}:
            run.ended = reason
            match event.get("best"):
                # what this log does not have, or no longer, was found by an earlier process or undone since
                case dict(best) if point := _point(best | {"elapsed_s": 0}):
                    same = [each for each in run.val if (each.step, each.loss) == (point.step, point.loss)]
                    run.best = same[-1] if same else point


def _placed(run: Run, point: Point) -> Point:
    """A validation, of which the log does not say how many characters were read."""
    last = run.train[-1]
    return point._replace(chars=last.chars * point.step / last.step, seconds=run.before + point.seconds)


def _point(event: dict[str, Any]) -> Point | None:
    """An event's figures, if they are numbers that can be drawn; its seconds are those of its process."""
    names = ("step", "epoch", "chars", "elapsed_s", "loss")
    values: list[Any] = [event.get(name, 0 if name == "chars" else None) for name in names]
    match values:
        case [int(step), int() | float(), int(), int() | float(), int() | float()]:
            if step > 0 and all(0 <= value < LARGEST for value in values):
                return Point(*values)
    return None
