"""The models that come with the repository: their sizes, their figures, and the commands that made them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from program import run

import charrnn
from charrnn.checkpoint.reading import load

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "checkpoints"
ROWS = re.findall(
    r"^\| `(\w+)\.npz` \|.*?\| ([\d.]+) .*`(charrnn train .*)` \|$", (FOLDER / "README.md").read_text(), re.M
)


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    return {name: float(figure) for name, figure, _ in ROWS}


def test_all_are_documented_and_small(figures):
    files = [FOLDER / f"{name}.npz" for name in figures]
    assert sorted(figures) == ["fables", "sums"]
    assert sum(file.stat().st_size for file in files) <= 3_000_000


@pytest.mark.parametrize("name, command", [(name, command) for name, _, command in ROWS])
def test_the_file_names_the_command_beside_it(name, command):
    assert load(FOLDER / f"{name}.npz").meta["command"] == command


def test_the_fables_cost_what_is_said_on_the_tail_that_was_held_out(figures):
    model = charrnn.load(FOLDER / "fables.npz")
    text = (ROOT / "corpora" / "fables.txt").read_text()
    assert model.checkpoint.meta["corpus"]["val"] == int(len(text) * 0.1)
    assert model.score(text[-int(len(text) * 0.1) :]).loss == pytest.approx(figures["fables"], abs=0.001)


def test_the_sums_that_were_held_out_are_right(figures):
    """Asked as a person would: without the end of a line before."""
    model = charrnn.load(FOLDER / "sums.npz")
    lines = (ROOT / "corpora" / "sums_test.txt").read_text().splitlines()
    asked = [line.partition("=") for line in lines]
    said = model.sample_many([f"{each[0]}=" for each in asked], length=4, temp=0, stop=["\n"], echo=False)
    right = sum(answer == told for answer, (_, _, told) in zip(said, asked, strict=True))
    share = 100 * right / len(asked)
    assert share >= 95
    assert share == pytest.approx(figures["sums"], abs=0.3)


def test_the_program_draws_from_them(tmp_path):
    told = run("sample", FOLDER / "sums.npz", "--prime", "23+45=", "--temp", 0, "--length", 3, cwd=tmp_path)
    assert (told.code, told.out) == (0, b"23+45=68\n")
    drawn = run("sample", FOLDER / "fables.npz", "--length", 200, "--temp", 0.7, "--seed", 1, cwd=tmp_path)
    assert drawn.code == 0 and len(drawn.out) == 200


def test_training_them_again_gives_the_same_weights(tmp_path, request):
    if not request.config.getoption("--recipes"):
        pytest.skip("takes half a minute: pytest --recipes")
    command = load(FOLDER / "sums.npz").meta["command"].split()[1:-1]
    done = run(*command, tmp_path / "sums.npz", cwd=ROOT)
    assert done.code == 0, done.err
    again, shipped = (load(folder / "sums.npz").network.flat for folder in (tmp_path, FOLDER))
    np.testing.assert_array_equal(again, shipped)
