"""--resume from NAME.last.npz alone: the best file was deleted, or never copied."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from program import SMALL, UNIX, run
from test_resume import made, ran

from charrnn.checkpoint.reading import load
from charrnn.training.events import Saved
from charrnn.training.trainer import Trainer

TRAIN = ["train", "text.txt", *SMALL, "--eval-every", "5", "--save-every", "5", "--lr", "0.02"]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "text.txt").write_bytes(UNIX.encode())
    return tmp_path


def killed_at_8(trainer: Trainer) -> None:
    """Just after a validation, which was the best, and a save."""
    for event in trainer.run():
        if isinstance(event, Saved) and (event.step, event.kind) == (8, "last"):
            return


def last_of(folder: Path) -> dict:
    return json.loads((folder / "m.jsonl").read_text().splitlines()[-1])


MORE = {
    "with a validation": [],
    "with a test": ["--test-fraction", "0.1"],
    "without a validation": ["--val-fraction", "0"],
    "with a test alone": ["--val-fraction", "0", "--test-fraction", "0.1"],
    "with a plateau and patience": ["--lr-schedule", "plateau", "--patience", "9"],
}


CASES = [  # to step 10 nothing is left, to 13 no validation, to 30 several
    *((10, "with a validation"), (13, "with a test"), (30, "with a plateau and patience")),
    *((30, "without a validation"), (10, "with a test alone")),
]


@pytest.mark.parametrize("then, kind", CASES)
def test_a_run_goes_on_and_what_it_names_is_there(then, kind, folder):
    """Elsewhere: NAME.last.npz was copied alone."""
    more = MORE[kind]
    assert run(*TRAIN, *more, "--max-steps", 10, "--out", "m.npz", cwd=folder).code == 0
    (folder / "m.npz").unlink()
    (folder / "m.jsonl").unlink()
    done = run(*TRAIN, *more, "--max-steps", then, "--out", "m.npz", "--resume", cwd=folder)
    assert done.code == 0, done.err
    assert "m.npz" in done.err.splitlines()[0]
    assert load(folder / "m.npz").meta["metrics"]["step"] <= then
    assert last_of(folder)["event"] == "end"
    assert last_of(folder)["best"]["step"] == load(folder / "m.npz").meta["metrics"]["step"]
    assert run("sample", "m.npz", "--length", 3, cwd=folder).code == 0


def test_the_best_that_is_the_last_is_written_again(fables, tmp_path):
    """The same bits as the file that was lost; and the run ends as one that had it."""
    path = tmp_path / "m.npz"
    killed_at_8(made(fables[:3000], path, "gru", eval_every=4))
    assert load(path).meta["metrics"]["step"] == load(tmp_path / "m.last.npz").meta["progress"]["step"] == 8
    lost = path.read_bytes()
    path.unlink()
    again = made(fables[:3000], path, "gru", eval_every=4)
    assert "written again" in again.resume()
    assert path.read_bytes() == lost


def test_a_best_that_is_older_is_sought_anew(fables, tmp_path):
    """Any next validation is the best so far, worse than the lost one though it be."""
    path = tmp_path / "m.npz"
    config = {"eval_every": 4, "lr": 0.5, "clip_norm": 0.0, "optimizer": "sgd", "lr_schedule": "constant"}
    ran(made(fables[:3000], path, "rnn", **config), 8)
    trainer = made(fables[:3000], path, "rnn", **config)
    trainer.resume()
    trainer.progress.best = {"step": 4, "epoch": 1.0, "loss": 0.01, "bpc": 0.01, "perplexity": 1.0}
    list(trainer.files.save_last(trainer.progress))
    path.unlink()
    again = made(fables[:3000], path, "rnn", **config)
    note = again.resume()
    assert "step 4, 0.010 nats) is lost" in note
    ran(again, 13)
    best = load(path).meta["metrics"]
    assert best["step"] == 12 and best["loss"] > 0.01


def test_a_state_after_a_return_is_not_taken_for_the_best(fables, tmp_path):
    """Its step may be the best's, but its weights are those of half the learning rate."""
    path = tmp_path / "m.npz"
    killed_at_8(made(fables[:3000], path, "gru", eval_every=4))
    trainer = made(fables[:3000], path, "gru", eval_every=4)
    trainer.resume()
    trainer.progress.rewinds = 1
    list(trainer.files.save_last(trainer.progress))
    path.unlink()
    assert trainer.progress.best["step"] == trainer.progress.step == 8
    assert "is lost" in made(fables[:3000], path, "gru", eval_every=4).resume()
    assert not path.exists()


def test_a_run_with_all_its_files_says_nothing(fables, tmp_path):
    ran(made(fables[:3000], tmp_path / "m.npz", "gru"), 8)
    before = (tmp_path / "m.npz").read_bytes()
    assert made(fables[:3000], tmp_path / "m.npz", "gru").resume() == ""
    assert (tmp_path / "m.npz").read_bytes() == before


def test_training_goes_on_to_the_same_bits_without_the_best(folder):
    """What the best decides not (patience, plateaus) is as it was."""
    train = [*TRAIN, "--lr-schedule", "constant", "--warmup", 0, "--dropout", 0.2]
    for name, cut in (("whole", False), ("cut", True)):
        if cut:
            assert run(*train, "--max-steps", 12, "--out", name, cwd=folder).code == 0
            (folder / f"{name}.npz").unlink()
        more = ["--resume"] if cut else []
        assert run(*train, "--max-steps", 20, "--out", name, *more, cwd=folder).code == 0
    with np.load(folder / "whole.last.npz") as whole, np.load(folder / "cut.last.npz") as cut_:
        assert all((whole[key] == cut_[key]).all() for key in whole.files if key != "meta")
