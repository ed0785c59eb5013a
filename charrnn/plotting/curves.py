"""Learning curves from the logs of training runs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from ..checkpoint.names import without_ending
from ..config import ModelConfig, TrainConfig
from ..errors import CharrnnError, TextError
from ..system.stdio import STDIO, name_of

REMEDY = "name the .jsonl that charrnn train wrote beside its checkpoint"
UNSEEN = {"save_every", "keep_last", "sample_every"}  # options that change no curve
LARGEST = 1e15  # of any figure
LONGEST = 200  # characters of a label
MOST_POINTS = 500  # of a smoothed curve: more than a picture shows


class Point(NamedTuple):
    """One figure of a run."""

    step: int
    chars: float
    seconds: float
    bpc: float


@dataclass
class Run:
    """What a log says of one run: its options, and the losses of its steps and validations."""

    name: str  # of the log, without its ending
    config: dict[str, Any] = field(default_factory=dict)
    text: str = ""  # the digest of what was trained on
    train: list[Point] = field(default_factory=list)
    val: list[Point] = field(default_factory=list)
    before: float = 0.0  # seconds, of the processes that it goes on from

    @property
    def final(self) -> float:
        """Bits per character in the end: the last validation's, without one those of the last steps."""
        return (self.val or smoothed(self.train))[-1].bpc

    def cut(self, step: int) -> None:
        """Forget what came after a step that the run went back to."""
        self.train = [point for point in self.train if point.step <= step]
        self.val = [point for point in self.val if point.step <= step]


def read(path: Path) -> list[Run]:
    """The runs of a log, or of stdin for -; a log has one, unless several were joined.

    Errors: TextError for a file that cannot be read, is no log, or has no losses yet.
    """
    runs: list[Run] = []
    name = name_of(path)
    for event in _events(path, name):
        _add(runs, event, str(without_ending(Path(name))))
    runs = [run for run in runs if run.train]
    if not runs:
        raise TextError(f"{name} has no losses", f"wait for the run's first step, or {REMEDY}")
    return runs


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
            raise TextError(f"{name}, line {number}: no event of a training log", REMEDY)


def _add(runs: list[Run], event: dict[str, Any], name: str) -> None:
    """Events that say nothing of the curves, and losses that are no numbers, are passed over."""
    match event:
        case {"event": "start", "config": dict(config)}:
            corpus = event.get("corpus")
            runs.append(Run(name, config, str(corpus.get("sha256")) if isinstance(corpus, dict) else ""))
        case {"event": "resumed", "step": int(step)} if earlier := [run for run in runs if run.train]:
            run = earlier[-1]
            run.cut(step)
            run.config = runs[-1].config
            run.before = max((p.seconds for p in (*run.train[-1:], *run.val[-1:])), default=0.0)
            runs[:] = earlier
        case {"event": "rewound", "step": int(step)} if runs:
            runs[-1].cut(step)
        case {"event": "step", "step": int(step), "chars": int(chars)} if figures := _figures(event):
            if not runs:  # the log's beginning is lost
                runs.append(Run(name))
            runs[-1].train.append(Point(step, chars, runs[-1].before + figures[0], figures[1]))
        case {"event": "eval", "step": int(step), "split": "val"} if figures := _figures(event):
            if runs and (train := runs[-1].train):  # of which the characters are known
                so_far = train[-1].chars * step / train[-1].step
                runs[-1].val.append(Point(step, so_far, runs[-1].before + figures[0], figures[1]))


def _figures(event: dict[str, Any]) -> tuple[float, float] | None:
    """Seconds and bits per character, if these and what else is drawn are numbers that can be."""
    values = [event.get(name) for name in ("elapsed_s", "bpc", "step", "chars")]
    match values:
        case [int() | float() as seconds, int() | float() as bpc, int(step), int() | None as chars]:
            if step > 0 and all(0 <= value < LARGEST for value in (seconds, bpc, step, chars or 0)):
                return seconds, bpc
    return None


def smoothed(points: Sequence[Point], share: float = 0.03) -> list[Point]:
    """At most MOST_POINTS of them and the last, each with the mean loss of those around it.

    share: how many of all points, to either side, are averaged; in the beginning, where losses fall
    steeply, no more than the point has before it.
    """
    sums = [0.0, *accumulate(point.bpc for point in points)]
    means, last = [], len(points) - 1
    for i in sorted({*range(0, len(points), len(points) // MOST_POINTS + 1), last} - {-1}):
        reach = min(i, round(share * len(points)))
        first, end = i - reach, min(i + reach, last) + 1
        means.append(points[i]._replace(bpc=(sums[end] - sums[first]) / (end - first)))
    return means


def labels(runs: Sequence[Run]) -> tuple[list[str], str]:
    """For each run the options in which it differs from others, and what most have that is left unsaid.

    A cell is always said where there are several.  The run's name is added where options do not tell runs
    apart, or texts differ.
    """
    options = dict.fromkeys(name for run in runs for name in run.config if name not in UNSEEN)
    told: list[dict[str, str]] = [{} for _ in runs]
    usual = {}
    for name in options:
        values = [_said(name, run.config[name]) if name in run.config else "" for run in runs]
        ((most, count), *others) = Counter(values).most_common()
        if not others or (name == "lr" and all(_rate_follows(run.config) for run in runs)):
            continue
        if count > len(runs) / 2 and name != "cell":
            usual[name] = most
        for each, value in zip(told, values, strict=True):
            each[name] = value
    short = [_listed(v for name, v in each.items() if v != usual.get(name)) for each in told]
    whole = [label or _listed(each.values()) for label, each in zip(short, told, strict=True)]
    names = [Path(run.name).name for run in runs]
    if len({*names}) < len(names):
        names = [run.name for run in runs]
    one_text = len({run.text for run in runs}) == 1
    shown = [
        label if label and one_text and whole.count(label) == 1 else f"{name} {label}".rstrip()
        for name, label in zip(names, whole, strict=True)
    ]
    return [_printable(label) for label in shown], _printable(_listed(usual.values()))


def _rate_follows(config: dict[str, Any]) -> bool:
    """Whether the learning rate is the one that goes with optimiser and hidden size."""
    with suppress(CharrnnError, TypeError, KeyError):
        optimizer, model = config["optimizer"], ModelConfig(hidden_size=config["hidden_size"])
        return bool(config["lr"] == TrainConfig(optimizer=optimizer).tuned(model).lr)
    return False


def _said(name: str, value: object) -> str:
    """A word says what it is of: `gru`; a number needs its name: `dropout 0.3`."""
    if isinstance(value, str):
        return value
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{name.replace('_', ' ')} {number}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(filter(None, values))


def _printable(text: str) -> str:
    """What a picture's fonts and XML can hold."""
    return "".join(c if c.isprintable() else "?" for c in text[:LONGEST])
