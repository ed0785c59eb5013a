"""Options that are not given follow from the text and the budget; what is given is kept."""

from __future__ import annotations

import re
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
from program import UNIX, run

from charrnn.checkpoint.reading import load
from charrnn.config import ModelConfig, TrainConfig
from charrnn.training.fitting import FITS, SIZES, Fit, described, fitted

LENGTHS = [2, 2_000, 18_000, 100_000, 270_000, 1_000_000, 3_000_000, 10**8, 10**10]


def no_time(model: ModelConfig, config: TrainConfig) -> float:
    raise AssertionError("no time was given")


def chosen(characters: int, given: dict[str, object] | None = None, epochs_in_time=no_time):
    given = given or {}
    model = ModelConfig(**{name: given[name] for name in given.keys() & asdict(ModelConfig()).keys()})
    config = TrainConfig(**{name: given[name] for name in given.keys() & asdict(TrainConfig()).keys()})
    return fitted(model, config, given, characters, epochs_in_time)


def row(characters: int) -> Fit:
    return min((fit for fit in FITS if fit.characters >= characters), key=lambda fit: fit.characters)


@pytest.mark.parametrize("characters", LENGTHS)
def test_a_length_has_its_row(characters):
    model, config = chosen(characters)
    values = asdict(model) | asdict(config)
    assert {name: values[name] for name in asdict(row(characters)) if name != "characters"} == {
        name: value for name, value in asdict(row(characters)).items() if name != "characters"
    }


def test_rows_grow_with_the_text():
    assert [fit.characters for fit in FITS] == sorted(fit.characters for fit in FITS)
    for one, other in pairwise(FITS):
        assert (one.batch_size, one.hidden_size * one.num_layers) <= (
            other.batch_size,
            other.hidden_size * other.num_layers,
        )
    assert {(fit.hidden_size, fit.num_layers) for fit in FITS} <= {*SIZES}


@pytest.mark.parametrize("characters", LENGTHS)
def test_what_is_given_is_kept(characters):
    given = {
        "hidden_size": 33,
        "num_layers": 3,
        "dropout": 0.11,
        "attention": 5,
        "batch_size": 7,
        "epochs": 3.5,
        "lr": 0.01,
    }
    model, config = chosen(characters, given)
    found = asdict(model) | asdict(config)
    assert {name: found[name] for name in given} == given
    assert described(model, config, given, characters) == ""


def test_fewer_epochs_need_less_dropout_and_more_of_them_more():
    usual, some, many = (chosen(1_000_000, budget) for budget in ({}, {"epochs": 3.0}, {"epochs": 48.0}))
    assert some[0].dropout < usual[0].dropout < many[0].dropout < 0.75
    assert (some[1].epochs, many[1].epochs) == (3.0, 48.0)


@pytest.mark.parametrize("steps", [1, 77, 100_000])
def test_steps_alone_are_the_budget(steps):
    """As many epochs as they take: none is left undone because the usual epochs have fewer."""
    _, config = chosen(100_000, {"max_steps": steps})
    a_chunk = config.batch_size * config.seq_len
    assert config.epochs * 100_000 / a_chunk == pytest.approx(steps, rel=0.02)
    assert config.max_steps == steps and config.schedule_over == "steps"


def by_flops(per_second: float, seconds: float):
    """The epochs of models whose work is that of their recurrent weights."""

    def epochs(model: ModelConfig, config: TrainConfig) -> float:
        weights = 3 * model.hidden_size**2 * (2 * model.num_layers - 1)
        return seconds * per_second / (6 * weights * 1_000_000)

    return epochs


@pytest.mark.parametrize("steps", [10**15, 10**17])
def test_any_number_of_steps_may_be_asked_for(steps):
    _, config = chosen(2_000, {"max_steps": steps})
    assert config.max_steps == steps


def test_the_smaller_of_two_budgets_decides_on_dropout():
    alone = chosen(1_000_000, {"max_steps": 100})[0].dropout
    assert chosen(1_000_000, {"max_steps": 100, "epochs": 20.0})[0].dropout == alone
    assert chosen(1_000_000, {"max_steps": 10**9, "epochs": 2.0})[0].dropout > alone


def test_more_time_makes_the_model_larger_and_less_time_smaller():
    sizes, dropouts = [], []
    for seconds in (1, 10, 60, 300, 1_500, 10_000):
        model, config = chosen(1_000_000, {"max_time": float(seconds)}, by_flops(2e11, seconds))
        sizes.append((model.hidden_size * (2 * model.num_layers - 1), model.hidden_size))
        dropouts.append(model.dropout)
        assert config.schedule_over == "time"
    assert sizes == sorted(sizes) and sizes[0] < sizes[3] < sizes[-1]
    assert dropouts[0] < dropouts[3]


def test_time_beside_epochs_is_a_limit_alone():
    _, config = chosen(1_000_000, {"max_time": 60.0, "epochs": 5.0})
    assert (config.schedule_over, config.epochs) == ("steps", 5.0)


def test_a_run_says_and_saves_what_was_fitted(tmp_path: Path):
    (tmp_path / "text.txt").write_text(UNIX)
    done = run(
        "train", "text.txt", "--cell", "rnn", "--epochs", 1, "--hidden-size", 12, "--out", "m", cwd=tmp_path
    )
    assert done.code == 0
    meta = load(tmp_path / "m.npz").meta
    assert meta["fitted"] in done.err
    assert f"batch {meta['training']['batch_size']}" in meta["fitted"]
    assert "units" not in meta["fitted"] and "epochs" not in meta["fitted"]
    assert meta["fitted"].endswith(f"fitted to {meta['corpus']['train']:,} characters")
    shown = run("info", "m.npz", cwd=tmp_path).out.decode()
    assert meta["fitted"] in shown


def test_a_resumed_run_says_what_was_fitted_at_its_start_and_what_differs_now(tmp_path: Path):
    (tmp_path / "text.txt").write_text(UNIX)
    train = ["train", "text.txt", "--cell", "rnn", "--hidden-size", 12, "--out", "m"]
    assert run(*train, "--max-steps", 2, cwd=tmp_path).code == 0
    then = load(tmp_path / "m.npz").meta["fitted"]
    assert re.search(r"rate 0\.\d+, 0\.\d+ epochs: fitted to [\d,]+ characters$", then)
    start = f"{then}, at the start of the run"
    same = run(*train, "--max-steps", 2, "--resume", "--dry-run", cwd=tmp_path)
    assert f"{start}\n" in same.out.decode()
    more = run(*train, "--max-steps", 4, "--resume", cwd=tmp_path)
    assert re.search(re.escape(start) + r"; now 0\.\d+ epochs\n", more.err)
    other = run(*train, "--epochs", 0.5, "--max-steps", 5, "--lr", 0.003, "--resume", cwd=tmp_path)
    assert f"{start}; now rate 0.003, 0.5 epochs\n" in other.err
    assert load(tmp_path / "m.npz").meta["fitted"] == f"{start}; now rate 0.003, 0.5 epochs"
    again = run(*train, "--resume", "--dry-run", cwd=tmp_path)
    assert f"{start}; now rate 0.003, 0.5 epochs\n" in again.out.decode()


def test_a_dry_run_says_what_a_run_would_choose_and_how_long_it_takes(tmp_path: Path):
    (tmp_path / "text.txt").write_text(UNIX)
    shown = run("train", "text.txt", "--dry-run", cwd=tmp_path).out.decode()
    assert "fitted to" in shown
    line = next(line for line in shown.splitlines() if line.startswith("time"))
    assert ":" in line and "on this machine" in line


def test_few_updates_an_epoch_are_told_with_a_smaller_batch(tmp_path: Path):
    (tmp_path / "text.txt").write_text(UNIX)
    options = ["--hidden-size", 8, "--seq-len", 16, "--epochs", 1, "--dry-run"]
    told = run("train", "text.txt", "--batch-size", 16, *options, cwd=tmp_path).err
    assert "updates per epoch" in told and "--batch-size 2" in told
    assert run("train", "text.txt", "--batch-size", 4, *options, cwd=tmp_path).err == ""
    assert run("train", "text.txt", *options, cwd=tmp_path).err == ""
