"""Learning curves from the logs of training runs, and words that tell the runs apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

from ..config import ModelConfig, TrainConfig
from ..errors import CharrnnError
from ..system.stdio import name_of
from ..training import logs
from ..training.logs import Point, Run

UNSEEN = {"save_every", "keep_last", "sample_every"}  # options that change no curve
LONGEST = 200  # characters of a label
MOST_POINTS = 500  # of a smoothed curve: more than a picture shows


def read(path: Path) -> list[Run]:
    """Those runs of a log, or of stdin for -, that have a curve.

    Errors: those of `logs.read`; LogError if none has losses yet.
    """
    runs = [run for run in logs.read(path) if run.train]
    if not runs:
        raise logs.without_losses(name_of(path))
    return runs


def reached(run: Run) -> float:
    """Bits per character: of the best validation, whose model is kept; without one, of the last steps."""
    return run.best.bpc if run.best else smoothed(run.train)[-1].bpc


def epoch(number: float) -> str:
    """Of an evaluation or a run, to a tenth."""
    return f"{round(number, 1):g}"


def smoothed(points: Sequence[Point], share: float = 0.03) -> list[Point]:
    """At most MOST_POINTS of them and the last, each with the mean loss of those around it.

    share: how many of all points, to either side, are averaged; in the beginning, where losses fall
    steeply, no more than the point has before it.
    """
    sums = [0.0, *accumulate(point.loss for point in points)]
    means, last = [], len(points) - 1
    for i in sorted({*range(0, len(points), len(points) // MOST_POINTS + 1), last} - {-1}):
        reach = min(i, round(share * len(points)))
        first, end = i - reach, min(i + reach, last) + 1
        means.append(points[i]._replace(loss=(sums[end] - sums[first]) / (end - first)))
    return means


def differing(runs: Sequence[Run]) -> list[str]:
    """The options that runs differ in, but for a learning rate that follows from others."""
    known = [run.config for run in runs if run.config]  # of a log whose beginning is lost, none are
    told = [{name: _said(name, value) for name, value in config.items()} for config in known]
    found = [
        name
        for name in dict.fromkeys(name for each in told for name in each)
        if name not in UNSEEN and len({each.get(name) for each in told}) > 1
    ]
    if "lr" in found and all(_rate_follows(run.config) for run in runs):
        found.remove("lr")
    return found


def names(runs: Sequence[Run]) -> list[str]:
    """Of the logs, with their folders where the same name is in several."""
    whole = [run.name for run in runs]
    short = [Path(name).name for name in whole]
    return short if len({*short}) == len({*whole}) else whole


def labels(runs: Sequence[Run]) -> tuple[list[str], str]:
    """For each run the options in which it differs from others, and what most have that is left unsaid.

    A cell is always said where there are several.  The run's name is added where options do not tell runs
    apart, or texts differ.
    """
    told: list[dict[str, str]] = [{} for _ in runs]
    usual = {}
    for name in differing(runs):
        values = [_said(name, run.config[name]) if name in run.config else "" for run in runs]
        most, count = Counter(values).most_common()[0]
        if count > len(runs) / 2 and name != "cell":
            usual[name] = most
        for each, value in zip(told, values, strict=True):
            each[name] = value
    short = [_listed(v for name, v in each.items() if v != usual.get(name)) for each in told]
    whole = [label or _listed(each.values()) for label, each in zip(short, told, strict=True)]
    one_text = len({run.text for run in runs}) == 1
    shown = [
        label if label and one_text and whole.count(label) == 1 else f"{name} {label}".rstrip()
        for name, label in zip(names(runs), whole, strict=True)
    ]
    return [_printable(label) for label in shown], _printable(_listed(usual.values()))


def _rate_follows(config: dict[str, Any]) -> bool:
    """Whether the learning rate is the one that follows from other options."""
    with suppress(CharrnnError, TypeError, KeyError):
        model = ModelConfig(cell=config["cell"], hidden_size=config["hidden_size"])
        train = TrainConfig(optimizer=config["optimizer"], batch_size=config["batch_size"])
        return bool(config["lr"] == train.tuned(model).lr)
    return False


def _said(name: str, value: object) -> str:
    """A word says what it is of: `gru`; a number needs its name: `dropout 0.3`."""
    return value if isinstance(value, str) else f"{name.replace('_', ' ')} {spelled(value)}"


def spelled(value: object) -> str:
    """An option's value."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(filter(None, values))


def _printable(text: str) -> str:
    """What a picture's fonts and XML can hold."""
    return "".join(c if c.isprintable() else "?" for c in text[:LONGEST])
