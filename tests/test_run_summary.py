"""The end of a run, as people read it: when it was best, and whether it fitted too well."""

from __future__ import annotations

import pytest

from charrnn.cli.run_figures import Figures
from charrnn.cli.run_summary import advice, summary
from charrnn.training.events import End, Evaluated, Saved, Start, Step


def ended(
    losses: list[float], dropout=0.3, reason="epochs", patience=0, over="steps", trained=(3.0, 2.0, 1.0, 0.5)
):
    """A run of ten steps an epoch, validated after each.  trained: the training loss of each epoch."""
    figures = Figures()
    config = {"max_time": 0.0, "dropout": dropout, "patience": patience, "schedule_over": over}
    figures.add(Start(config, {"val": 9}, 1, 1, 0, "", 4, 10 * len(losses), 10))
    for epoch, loss in enumerate(losses, 1):
        figures.add(Step(10 * epoch, epoch, 1, trained[epoch - 1], 1.0, 1.0, 0.1, 1.0, 10.0, 1.0))
        figures.add(Evaluated(10 * epoch, epoch, "val", loss, 1.0, 1.0, 1.0))
    figures.add(Saved(10 * len(losses), "m.last.npz", "last"))
    best = min(losses)
    end = End(reason, {"step": 10 * (losses.index(best) + 1), "loss": best}, 0.0, 1.0, 10.0)
    return [{name: text.plain for name, text in said(figures, end)} for said in (summary, advice)]


def test_the_epoch_of_the_best_is_said():
    shown, _ = ended([2.0, 1.5, 1.4, 1.401])
    assert shown["best"].endswith("at epoch 3 of 4")


def test_validation_that_rose_is_over_fitting_and_says_what_to_try():
    _, told = ended([2.0, 1.5, 1.6, 1.7])
    assert "from 1.500 to 1.700" in told["worse since"]
    assert "over-fitting" in told["worse since"]
    assert "--dropout 0.4" in told["worse since"] and "--patience 3" in told["worse since"]


def test_with_much_dropout_a_smaller_model_is_the_remedy():
    _, told = ended([1.5, 1.7], dropout=0.7)
    assert "--dropout" not in told["worse since"] and "--hidden-size" in told["worse since"]


def test_patience_is_not_advised_to_who_has_it():
    _, told = ended([1.5, 1.7, 1.8], patience=2, reason="patience")
    assert "--dropout 0.4" in told["worse since"] and "--patience" not in told["worse since"]


@pytest.mark.parametrize(
    "case",
    [
        {"reason": "interrupted"},
        {"reason": "diverged"},
        {"trained": (1.0, 2.0, 3.0)},
    ],
)
def test_a_run_that_was_cut_short_or_learned_nothing_more_is_not_over_fitting(case):
    _, told = ended([1.5, 1.7, 1.8], **case)
    assert "worse since" not in told


def test_a_loss_that_is_no_number_is_not_over_fitting():
    _, told = ended([1.5, float("inf")])
    assert "worse since" not in told


@pytest.mark.parametrize("over, left", [("steps", True), ("time", False)])
def test_of_a_schedule_over_time_nothing_is_left_when_it_is_up(over, left):
    _, told = ended([2.0, 1.5], reason="time", over=over)
    assert ("go on" in told) == left


@pytest.mark.parametrize("losses", [[2.0, 1.5], [1.5, 1.51], [1.5]])
def test_a_last_loss_near_the_best_is_none(losses):
    _, told = ended(losses)
    assert "worse since" not in told
