"""Training from Python: what the command line does, with the same bits."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import pickle
import signal
import threading
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from program import TEXT, UNIX, run

import charrnn
from charrnn.api import Choice
from charrnn.config import ModelConfig, SampleConfig, TrainConfig
from charrnn.errors import CharrnnError, TextError, UsageError, field, in_python, spelled
from charrnn.run import Asked

pytest_plugins = ["trained"]
SMALL = {
    "cell": "rnn",
    "hidden_size": 8,
    "seq_len": 16,
    "batch_size": 4,
    "max_steps": 45,
    "eval_every": 20,
    "seed": 3,
}


def test_every_option_of_the_command_line_is_one():
    of_configs = {field.name for config in (ModelConfig, TrainConfig) for field in fields(config)}
    assert {*charrnn.Options.__annotations__} == of_configs - {"schedule_over"}
    shared = {"corpus", "text", "out", "val", "init_from", "resume", "extend_vocab", "force"}
    assert shared <= {*inspect.signature(charrnn.Run).parameters}
    assert shared - {"corpus"} == {*Asked.__annotations__} - {*charrnn.Options.__annotations__}


def test_every_way_to_choose_characters_is_one():
    """But for what the methods have as arguments of their own."""
    assert {*Choice.__annotations__} == {*vars(SampleConfig())} - {"prime", "num", "seed", "threads"}


def test_a_model_is_that_of_the_command(trained, capsys):
    model = charrnn.train(trained.folder / "corpus.txt", **SMALL)
    assert "45" in capsys.readouterr().err
    theirs = charrnn.load(trained.checkpoint)
    np.testing.assert_array_equal(model.checkpoint.network.flat, theirs.checkpoint.network.flat)
    in_memory = charrnn.train(text=TEXT, show=False, **SMALL)
    np.testing.assert_array_equal(in_memory.checkpoint.network.flat, theirs.checkpoint.network.flat)
    assert capsys.readouterr() == ("", "")
    assert "rnn, 1 x 8" in repr(model)


def test_files_are_those_of_the_command_and_a_run_goes_on(tmp_path: Path):
    (tmp_path / "t.txt").write_text(UNIX)
    whole = charrnn.train(tmp_path / "t.txt", out=tmp_path / "whole", show=False, **SMALL)
    run_ = charrnn.Run(tmp_path / "t.txt", out=tmp_path / "m", **SMALL)
    for event in run_:
        if event.name == "step" and event.step == 30:
            run_.stop()
    assert event.name == "end" and event.reason == "interrupted"
    assert {path.name for path in tmp_path.glob("m.*")} == {"m.npz", "m.last.npz", "m.jsonl"}
    with pytest.raises(UsageError, match=r"exists.*resume=True"):
        charrnn.Run(tmp_path / "t.txt", out=tmp_path / "m")
    charrnn.train(tmp_path / "t.txt", out=tmp_path / "m", resume=True, show=False)
    bits = [charrnn.load(tmp_path / f"{name}.last.npz").checkpoint.network.flat for name in ("whole", "m")]
    np.testing.assert_array_equal(*bits)
    assert whole.checkpoint.meta["command"].startswith("charrnn.train(")
    resumed = run("train", "t.txt", "--resume", "--out", "m", cwd=tmp_path)
    assert resumed.code == 0 and "nothing left to do" in resumed.err
    tuned = charrnn.train(text=UNIX + "%", init_from=tmp_path / "m.npz", max_steps=3, show=False)
    assert "%" in tuned.characters and tuned.checkpoint.network.config.hidden_size == 8


def test_ctrl_c_keeps_what_was_reached():
    seen = []

    def interrupt(event):
        seen.append(event.name)
        if event.name == "step" and event.step == 25:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    model = charrnn.train(text=UNIX, show=False, on_event=interrupt, **SMALL | {"max_steps": 10_000})
    assert seen[-1] == "end" and seen.count("step") < 40 and len(model.sample(length=5, echo=False)) == 5
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "corpus and text"),
        ({"text": "ab", "corpus": "a.txt"}, "corpus and text"),
        ({"text": UNIX, "hiden_size": 3}, "no option 'hiden_size'"),
        ({"text": UNIX, "max_time": "soon"}, "max_time is 'soon'"),
        ({"text": UNIX, "dropout": 2}, "dropout is 2"),
        ({"text": UNIX, "batch_size": "16"}, "batch_size is '16'; it must be a whole number"),
        ({"text": UNIX, "hidden_size": None}, "hidden_size is None"),
        ({"corpus": "t.jsonl", "out": "t", "force": True}, "t.jsonl is read by this run"),
        ({"text": UNIX, "resume": True}, "resume without out"),
        ({"text": "a"}, "too short|at least"),
        ({"corpus": "none.txt"}, "none.txt"),
    ],
)
def test_errors_are_the_librarys(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.jsonl").write_text(UNIX)
    with pytest.raises(CharrnnError, match=words):
        charrnn.train(show=False, **arguments)
    assert Path("t.jsonl").read_text() == UNIX


def test_a_thread_may_train():
    """Where Ctrl-C cannot be heard."""
    models = []
    worker = threading.Thread(target=lambda: models.append(charrnn.train(text=UNIX, show=False, **SMALL)))
    worker.start()
    worker.join()
    assert models


def test_sampling_agrees_with_the_command(trained):
    model = charrnn.load(trained.checkpoint)
    done = run(
        "sample", trained.checkpoint, "--prime", "The red", "--seed", 5, "--length", 30, cwd=trained.folder
    )
    assert model.sample("The red", seed=5, length=30).encode() == done.out
    assert model.sample(length=200) != model.sample(length=200)  # a new seed each time
    assert model.sample("Wa\u2603s", length=3, seed=1, unknown="skip").startswith("Was")
    many = model.sample_many(["Was", "It"], num=2, length=9, seed=4)
    assert many[0] == model.sample("Was", length=9, seed=4) and many[2] == model.sample(
        "It", length=9, seed=4
    )


def test_a_prime_is_a_text(trained):
    model = charrnn.load(trained.checkpoint)
    with pytest.raises(UsageError, match="for several primes, use sample_many"):
        model.sample(["Was", "It"])
    assert len(model.sample_many("Was", length=2)) == 1


def test_scores_agree_with_the_command(trained):
    model = charrnn.load(trained.checkpoint)
    with pytest.raises(TextError, match="at least 2"):
        model.score("a")
    done = run(
        "eval",
        trained.checkpoint,
        "-",
        "--json",
        "--unknown",
        "score",
        cwd=trained.folder,
        stdin="Was\u2603 it?".encode(),
    )
    import json

    (figures,) = json.loads(done.out)["texts"]
    score = model.score("Was\u2603 it?", unknown="score")
    assert (score.chars, score.bpc) == (figures["chars"], pytest.approx(figures["bpc"])) == (7, score.bpc)
    known = model.score("Was it?")
    assert score.loss * 7 == pytest.approx(known.loss * 6 + np.log(0x110000 - 0x800))


def test_probabilities_of_what_follows(trained):
    model = charrnn.load(trained.checkpoint)
    p = model.next_probabilities("The red fox")
    assert p.shape == (len(model.characters),) and p.sum() == pytest.approx(1) and (p > 0).all()
    for character in " aX"[:2]:
        nats = model.nats(f"The red fox{character}")[-1]
        assert -np.log(p[model.characters.index(character)]) == pytest.approx(nats, rel=1e-5)


def test_save_and_load(trained, tmp_path):
    model = charrnn.load(trained.checkpoint)
    model.save(tmp_path / "copy.npz")
    copy = charrnn.load(tmp_path / "copy.npz")
    assert copy.sample(seed=1) == model.sample(seed=1)
    assert pickle.loads(pickle.dumps(model)).sample(seed=1) == model.sample(seed=1)


def _sampled(model: charrnn.Model, queue) -> None:
    queue.put((model.sample(seed=1, length=50), model.score(TEXT).loss))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_works(trained, method):
    model = charrnn.load(trained.checkpoint)
    here = model.sample(seed=1, length=50), model.score(TEXT).loss  # its threads run
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_sampled, args=(model, queue))
    child.start()
    assert queue.get(timeout=120) == here
    child.join()
    assert child.exitcode == 0


def test_notes_name_options_as_python_does(tmp_path):
    """A file that ends in the middle of a line is joined to the next with a line end, and a note says so."""
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for file in files:
        file.write_text("to be or not to be " * 30)
    run = charrnn.Run(files, cell="rnn", hidden_size=4, max_steps=1)
    assert any('join="nothing"' in note for note in run.notes)
    assert spelled(f"use {field('batch_size', '2')}", in_python) == "use batch_size=2"
    assert not any("\0" in note or "--" in note for note in run.notes)
