"""The library as a notebook uses it says what the command line says."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from program import TEXT, run

import charrnn
from charrnn.config import SampleConfig
from charrnn.errors import CheckpointError, TextError, UsageError, field

pytest_plugins = ["trained"]
PRIME = "The red fox"


def test_a_model_draws_what_the_command_draws(trained):
    options = ["--length", "90", "--temp", "0.7", "--top-k", "9", "--top-p", "0.9", "--seed", "5"]
    done = run("sample", trained.checkpoint, *options, "--prime", PRIME, "--no-echo", cwd=trained.folder)
    model = charrnn.load(str(trained.checkpoint))
    text = model.sample(PRIME, length=90, temp=0.7, top_k=9, top_p=0.9, seed=5, echo=False)
    assert text.encode() == done.out and len(text) == 90
    whole = model.sample(PRIME, length=90, seed=5, echo=False)
    assert 0 < whole.find("e") < 89
    assert model.sample(PRIME, length=90, seed=5, stop=["e"], echo=False) == whole[: whole.find("e")]
    endless = model.stream(SampleConfig(length=0, prime=PRIME, seed=5))
    shown = ""
    while len(shown) < 500:
        shown += next(endless)
    assert len({*shown}) > 5
    assert model.sample(PRIME, length=500, seed=5, echo=False) == shown[:500]


def test_a_model_scores_as_the_command_does(trained):
    model = charrnn.load(trained.checkpoint)
    score = model.score(TEXT)
    done = run("eval", trained.checkpoint, "-", "--json", cwd=trained.folder, stdin=TEXT.encode())
    (figures,) = json.loads(done.out)["texts"]
    assert (score.bpc, score.accuracy, score.chars) == tuple(
        figures[name] for name in ("bpc", "accuracy", "chars")
    )
    nats = model.nats(TEXT)
    assert len(nats) == len(TEXT) > 100 and math.isnan(nats[0])
    assert np.nanmean(nats) == pytest.approx(score.loss, rel=1e-12)


def test_a_score_shows_its_figures(trained):
    score = charrnn.load(trained.checkpoint).score(TEXT)
    assert (
        str(score)
        == repr(score)
        == (
            f"Metrics(loss={score.loss:.4f}, bpc={score.bpc:.4f}, perplexity={score.perplexity:.4f}, "
            f"accuracy={score.accuracy:.4f}, chars={score.chars})"
        )
    )


def test_an_error_spells_values_as_python_does(trained):
    with pytest.raises(TextError, match='unknown="skip"'):
        charrnn.load(trained.checkpoint).score("\u2603")
    error = UsageError(f"use {field('resume', 'True')}, {field('join', 'nothing')} or {field('top_k')}")
    assert str(error) == 'use resume=True, join="nothing" or top_k'


def test_lines_are_scored_as_the_command_scores_them_alone(trained):
    lines = ["Was it?\n", "The red fox said.\n"]
    scores = charrnn.load(trained.checkpoint).score_lines(lines)
    text = "".join(lines).encode()
    done = run("eval", trained.checkpoint, "-", "--per-line", "--stateless", cwd=trained.folder, stdin=text)
    assert [score.chars for score in scores] == [8, 18]
    shown = [(f"{score.bpc:.6f}", str(score.chars)) for score in scores]
    assert shown == [tuple(line.split("\t")[:2]) for line in done.out.decode().splitlines()]


def test_errors_are_those_of_the_library(trained, tmp_path):
    model = charrnn.load(trained.checkpoint)
    with pytest.raises(TextError, match="never saw"):
        model.score("\u2603")
    with pytest.raises(UsageError, match="temp is"):
        model.sample(temp=-1)
    with pytest.raises(UsageError, match=r"length is 0.*stream"):
        model.sample(length=0)
    with pytest.raises(CheckpointError):
        charrnn.load(tmp_path / "none.npz")
    with pytest.raises(AttributeError):
        charrnn.nothing  # noqa: B018


def test_importing_the_package_loads_nothing_large():
    code = "import sys, charrnn; charrnn.__version__; sys.exit(bool({'numpy', 'numba'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
