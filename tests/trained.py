"""A plugin of the tests of the command line: one small model, trained once by the program itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from program import SMALL, TEXT, Outcome, run


@dataclass(frozen=True)
class Trained:
    """A finished run of `charrnn train corpus.txt`, with its results in `folder`."""

    folder: Path
    outcome: Outcome
    arguments: list[str]

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / "corpus-rnn.npz"

    @property
    def log(self) -> Path:
        return self.folder / "checkpoints" / "corpus-rnn.jsonl"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "corpus.txt").write_bytes(TEXT.encode())
    arguments = ["train", "corpus.txt", *SMALL, "--max-steps", "45", "--eval-every", "20", "--seed", "3"]
    return Trained(folder, run(*arguments, cwd=folder), arguments)
