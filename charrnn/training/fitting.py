"""Fit the options that were not given to the length of the text and to the budget.

docs/training.md has the measurements behind the table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields, replace
from math import inf, log2, sqrt
from typing import Any

from ..config import MOST_EPOCHS, ModelConfig, TrainConfig
from .changeable_options import Config
from .plan import chunks

EpochsInTime = Callable[[ModelConfig, TrainConfig], float]


@dataclass(frozen=True)
class Fit:
    """What did well for training texts of at most this many characters."""

    characters: float
    hidden_size: int
    num_layers: int
    dropout: float
    attention: int
    batch_size: int
    epochs: float


FITS = (
    Fit(40e3, 128, 1, 0.65, 0, 2, 28),
    Fit(90e3, 192, 2, 0.4, 0, 4, 10),
    Fit(200e3, 192, 2, 0.35, 0, 8, 12),
    Fit(600e3, 256, 2, 0.35, 0, 16, 10),
    Fit(2e6, 256, 2, 0.3, 64, 16, 7),
    Fit(8e6, 256, 2, 0.1, 64, 32, 4),
    Fit(30e6, 384, 2, 0.0, 64, 64, 2),
    Fit(inf, 384, 2, 0.0, 64, 64, 1),
)
LONGEST = 2.0  # times the usual epochs: more do not help, however much time there is
LONG = 600e3  # characters: shorter texts gain nothing from a larger model
MARGIN = 1.5  # for a machine faster than estimated: the clock must end the run, not the steps
MOST_DROPOUT = 0.7
GROWN = 0.1  # added to dropout for each size above the usual
SIZES = ((128, 1), (192, 2), (256, 2), (384, 2), (512, 2))  # hidden size, layers: choices for a time limit
FEWEST, MOST = 0.25, 1.2  # of the usual epochs: below a smaller model is better, above a larger one


def fit_of(characters: int) -> Fit:
    """Return what did well for this length."""
    return next(fit for fit in FITS if characters <= fit.characters)


def fitted(
    model: ModelConfig,
    config: TrainConfig,
    given: Collection[str],
    characters: int,
    epochs_in_time: EpochsInTime,
) -> tuple[ModelConfig, TrainConfig]:
    """Return the configs with the options that were not given fitted to the length of the training text.

    epochs_in_time: the number of epochs a model gets in max_time; called only if that alone is the limit.
    """
    fit = fit_of(characters)
    if config.max_time and not (config.max_steps or "epochs" in given):
        config = replace(config, schedule_over="time")
        fit = _in_time(fit, model, config, given, epochs_in_time)
    elif "epochs" in given or config.max_steps:
        epochs = config.epochs if "epochs" in given else inf
        if config.max_steps:
            epochs = min(epochs, config.max_steps / chunks(_with(config, fit, given), characters))
        fit = _budgeted(fit, epochs)
    return _with(model, fit, given), _with(config, fit, given)


def _with(config: Config, fit: Fit, given: Collection[str]) -> Config:
    values: dict[str, Any] = {
        name: value
        for name, value in asdict(fit).items()
        if name not in given and name in {each.name for each in fields(config)}
    }
    return replace(config, **values)


def _budgeted(fit: Fit, epochs: float) -> Fit:
    """Adapt a fit to another number of epochs: the more there are, the more dropout helps."""
    ratio = epochs / fit.epochs
    dropout = fit.dropout * sqrt(ratio) if ratio < 1 else min(MOST_DROPOUT, fit.dropout + 0.1 * log2(ratio))
    return replace(fit, epochs=min(epochs, MOST_EPOCHS), dropout=round(dropout, 2))


def _in_time(
    fit: Fit, model: ModelConfig, config: TrainConfig, given: Collection[str], epochs_in_time: EpochsInTime
) -> Fit:
    """Choose a larger model if there is time for many more epochs than usual, a smaller one if for few."""

    def epochs(each: Fit) -> float:
        return epochs_in_time(_with(model, each, given), _with(config, each, given))

    sizes = [replace(fit, hidden_size=hidden, num_layers=layers) for hidden, layers in SIZES]
    usual = SIZES.index((fit.hidden_size, fit.num_layers))
    at = usual
    while at and epochs(sizes[at]) < FEWEST * fit.epochs:
        at -= 1
    if fit.characters > LONG and at == usual:
        while at + 1 < len(sizes) and epochs(sizes[at + 1]) >= MOST * fit.epochs:
            at += 1
    more = min(MOST_DROPOUT, fit.dropout + GROWN * max(0, at - usual))
    sizes[at] = replace(sizes[at], dropout=more)
    found, most = epochs(sizes[at]), LONGEST * fit.epochs
    return replace(_budgeted(sizes[at], min(found, most)), epochs=min(found * MARGIN, most))


def described(model: ModelConfig, config: TrainConfig, given: Collection[str], characters: int) -> str:
    """Return a sentence on the options that were not given, or an empty string if all were."""
    parts = in_words(model, config)
    chosen = ", ".join(text for name, text in parts.items() if text and name not in given)
    time = f" and at most {config.max_time:g} s" if config.schedule_over == "time" else ""
    return f"{chosen}: fitted to {characters:,} characters{time}" if chosen else ""


def in_words(model: ModelConfig, config: TrainConfig) -> dict[str, str]:
    """Return the options that may be fitted, each with its value in words; empty if it is off."""
    return {
        "hidden_size": f"{model.hidden_size} units",
        "num_layers": f"{model.num_layers} layer{'s' * (model.num_layers > 1)}",
        "attention": f"attention {model.attention}" if model.attention else "",
        "dropout": f"dropout {model.dropout:g}",
        "batch_size": f"batch {config.batch_size}",
        "lr": f"rate {config.tuned(model).lr:.3g}",
        "epochs": f"{'at most ' if config.schedule_over == 'time' else ''}{config.epochs:.3g} epochs",
    }
