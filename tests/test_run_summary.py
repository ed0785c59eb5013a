"""The end of a run, as people read it: when it was best, and whether it fitted too well."""

from __future__ import annotations

import pytest

from charrnn.cli.run_figures import Figures
from charrnn.cli.run_summary import advice, summary
from charrnn.training.events import End, Evaluated, Saved, Start, Step


def ended(
    losses: list[float],
    dropout=0.3,
    reason="epochs",
    patience=0,
    over="steps",
    trained=(3.0, 2.0, 1.0, 0.5),
    train=3_000_000,
):
    """A run of ten steps an epoch, validated after each.  trained: the training loss of each epoch."""
    figures = Figures()
    config = {"max_time": 0.0, "dropout": dropout, "patience": patience, "schedule_over": over}
    figures.add(Start(config, {"train": train, "val": 9}, 1, 1, 0, "", 4, 10 * len(losses), 10))
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
    assert "from 1.500 to 1.700" in told["overfitting"]
    assert "--dropout 0.4" in told["overfitting"] and "--patience 3" in told["overfitting"]


LEARNING = (1.5, 1.0, 0.9, 0.8, 0.7, 0.6)  # smoothed, 1.133 after three epochs and 0.917 after six


def test_validation_that_stayed_flat_far_above_the_training_loss_is_over_fitting():
    losses = [2.0, 1.6, 1.5, 1.505, 1.51, 1.505]
    _, told = ended(losses, trained=LEARNING)
    assert "has not improved on 1.500 in the last 3 validations" in told["overfitting"]
    assert "fell to 0.917" in told["overfitting"] and "--dropout 0.4" in told["overfitting"]


@pytest.mark.parametrize(
    "losses, trained",
    [
        ([2.0, 1.6, 1.5, 1.505, 1.51, 1.505], (1.6, 1.5, 1.4, 1.3, 1.25, 1.2)),  # a small gap
        ([2.0, 1.6, 1.52, 1.5, 1.51, 1.505], LEARNING),  # flat for two validations only
        ([2.0, 1.6, 1.5, 1.505, 1.51, 1.49], LEARNING),  # it improved in the end
        ([2.0, 1.6, 1.5, 1.505, 1.51, 1.505], (0.5, 0.5, 0.5, 0.6, 0.6, 0.6)),  # so was the training loss
    ],
)
def test_a_flat_validation_alone_is_not_over_fitting(losses, trained):
    _, told = ended(losses, trained=trained)
    assert "overfitting" not in told


def test_less_dropout_than_is_fitted_to_the_text_is_no_remedy():
    _, told = ended([1.5, 1.7], dropout=0.05, train=100_000)
    assert "--dropout 0.35" in told["overfitting"]


def test_with_much_dropout_a_smaller_model_is_the_remedy():
    _, told = ended([1.5, 1.7], dropout=0.7)
    assert "--dropout" not in told["overfitting"] and "--hidden-size" in told["overfitting"]


def test_patience_is_not_advised_to_who_has_it():
    _, told = ended([1.5, 1.7, 1.8], patience=2, reason="patience")
    assert "--dropout 0.4" in told["overfitting"] and "--patience" not in told["overfitting"]


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
    assert "overfitting" not in told


def test_a_loss_that_is_no_number_is_not_over_fitting():
    _, told = ended([1.5, float("inf")])
    assert "overfitting" not in told


@pytest.mark.parametrize("over, left", [("steps", True), ("time", False)])
def test_of_a_schedule_over_time_nothing_is_left_when_it_is_up(over, left):
    _, told = ended([2.0, 1.5], reason="time", over=over)
    assert ("continue" in told) == left


@pytest.mark.parametrize("losses", [[2.0, 1.5], [1.5, 1.51], [1.5]])
def test_a_last_loss_near_the_best_is_none(losses):
    _, told = ended(losses)
    assert "overfitting" not in told
