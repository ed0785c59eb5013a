"""What is compiled for a run: what it uses, once, and all of it ahead by `charrnn warmup`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from program import run

SMALL = ["--hidden-size", 4, "--batch-size", 4, "--seq-len", 8, "--max-steps", 2, "--force"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("to be, or not to be: that is the question\n" * 20)
    return tmp_path


def roots(folder: Path) -> Counter[str]:
    """How often each function is compiled."""
    return Counter(path.name.rsplit("-", 1)[0].removeprefix("charrnn.") for path in folder.rglob("*.bin"))


def test_what_is_compiled_is_used_and_serves_other_commands_and_warmup_compiles_it_all(folder):
    cache = {"NUMBA_CACHE_DIR": str(folder / "cache")}

    def compiled(*arguments: object) -> Counter[str]:
        """What a command adds."""
        before = roots(folder)
        done = run(*arguments, cwd=folder, **cache)
        assert done.code == 0, done.err
        return roots(folder) - before

    trained = compiled("train", "text.txt", "--cell", "rnn", "--out", "m.npz", *SMALL)
    assert trained == Counter(
        [f"kernels.model.{name}" for name in ("forward", "backward", "score", "pack_weights")]
        + ["kernels.optimizers.adam", "kernels.optimizers.clip"]
        + ["kernels.reduction.add_shards", "kernels.reduction.sum_of_squares"]
    )
    assert not compiled("eval", "m.npz", "text.txt")
    assert compiled("sample", "m.npz", "--length", 5) == Counter(["kernels.sample_character.generate"])
    assert not compiled("info", "m.npz")
    assert compiled("warmup", "--cell", "rnn")
    for command in (
        ["train", "text.txt", "--cell", "rnn", "--out", "m.npz", *SMALL],
        ["sample", "m.npz", "--length", 5, "--top-p", 0.9],
        ["eval", "m.npz", "text.txt", "--per-line"],
        ["explain", "m.npz", "text.txt", "--out", "page.html"],
    ):
        assert not compiled(*command), command


def test_without_a_lasting_folder_there_is_nothing_to_warm_up(folder):
    (folder / "file").write_text("")
    done = run("warmup", "--cell", "rnn", "-q", cwd=folder, NUMBA_CACHE_DIR=str(folder / "file"))
    assert done.code == 1 and done.err.count("\n") == 1
    assert "NUMBA_CACHE_DIR" in done.err and "file" in done.err
