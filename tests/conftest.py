"""Settings of the whole suite: the same examples in every run, and no time limits on examples."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import support

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.text.vocabulary import Vocabulary

hypothesis.settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def fables() -> str:
    """The text that comes with the repository."""
    return support.FABLES.read_text(encoding="utf-8")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A valid checkpoint for tests to damage."""
    path, vocabulary = tmp_path / "model.npz", Vocabulary.of("abc\n")
    save(path, Checkpoint(support.network("gru", 4, 3), vocabulary, {}))
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stops", type=int, default=0, help="stop points of the test of exact resume")
    parser.addoption("--kills", type=int, default=0, help="SIGKILLs of the test of saving")
    parser.addoption("--flips", type=int, default=0, help="bits flipped in the test of damaged files")
    parser.addoption("--fuzz", type=float, default=0, help="seconds of each test of random hostile files")
    parser.addoption(
        "--recipes", action="store_true", help="run the recipes of docs/recipes that take minutes"
    )
    parser.addoption("--shakespeare", type=Path, help="the text of the recipes that want shakespeare.txt")
