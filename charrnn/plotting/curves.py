"""Learning curves from the logs of training runs, and labels that distinguish the runs."""

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

UNSEEN = {"save_every", "keep_last", "sample_every"}  # options that do not change curves
LONGEST = 200  # characters in a label
MOST_POINTS = 500  # in a smoothed curve: more than a plot can show


def read(path: Path) -> list[Run]:
    """Read the runs in a log, or in stdin for -, that have a curve.

    Errors: those of `logs.read`; LogError if no run has losses yet.
    """
    runs = [run for run in logs.read(path) if run.train]
    if not runs:
        raise logs.without_losses(name_of(path))
    return runs


def reached(run: Run) -> float:
    """Return bits per character of the best validation, whose model is kept, or else of the last steps."""
    return run.best.bpc if run.best else smoothed(run.train)[-1].bpc


def epoch(number: float) -> str:
    """Return an epoch, rounded to a tenth, as text."""
    return f"{round(number, 1):g}"


def smoothed(points: Sequence[Point], share: float = 0.03) -> list[Point]:
    """Return at most MOST_POINTS points and the last, each with the mean loss of the points around it.

    share: the share of all points to average on either side. At the start, where losses fall steeply, each
    side has only as many points as precede the point.
    """
    sums = [0.0, *accumulate(point.loss for point in points)]
    means, last = [], len(points) - 1
    for i in sorted({*range(0, len(points), len(points) // MOST_POINTS + 1), last} - {-1}):
        reach = min(i, round(share * len(points)))
        first, end = i - reach, min(i + reach, last) + 1
        means.append(points[i]._replace(loss=(sums[end] - sums[first]) / (end - first)))
    return means


def differing(runs: Sequence[Run]) -> list[str]:
    """Return the options in which runs differ, except a learning rate that follows from other options."""
    known = [run.config for run in runs if run.config]  # a log that has lost its start has no options
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
    """Return the logs' names, with folders if one name occurs in several."""
    whole = [run.name for run in runs]
    short = [Path(name).name for name in whole]
    return short if len({*short}) == len({*whole}) else whole


def labels(runs: Sequence[Run]) -> tuple[list[str], str]:
    """Return a label for each run with its differing options, and the usual values that labels omit.

    If cells differ, every label has its cell.  The run's name is added if options do not distinguish runs or
    if texts differ.
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
    """Return whether the learning rate is the default for the other options."""
    with suppress(CharrnnError, TypeError, KeyError):
        model = ModelConfig(cell=config["cell"], hidden_size=config["hidden_size"])
        train = TrainConfig(optimizer=config["optimizer"], batch_size=config["batch_size"])
        return bool(config["lr"] == train.tuned(model).lr)
    return False


def _said(name: str, value: object) -> str:
    """Return an option for a label: words alone (`gru`), numbers with a name (`dropout 0.3`)."""
    return value if isinstance(value, str) else f"{name.replace('_', ' ')} {spelled(value)}"


def spelled(value: object) -> str:
    """Return an option's value as text."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(filter(None, values))


def _printable(text: str) -> str:
    """Replace characters that fonts or XML cannot hold, and limit the length."""
    return "".join(c if c.isprintable() else "?" for c in text[:LONGEST])
