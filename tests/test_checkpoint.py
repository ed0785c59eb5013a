"""Checkpoints: every bit comes back, nothing half-written is left, and no broken file goes unnoticed."""

from __future__ import annotations

import errno
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
from support import CELLS, DTYPES

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.reading import load
from charrnn.checkpoint.writing import save
from charrnn.errors import CheckpointError
from charrnn.text.vocabulary import Vocabulary

LETTERS = "\0\n\r abcé\u2028\ufeff\U0001f600\U0010ffff"


def model(cell: str = "lstm", seed: int = 0, **config: Any) -> Checkpoint:
    vocabulary = Vocabulary.of(LETTERS)
    network = support.network(cell, len(vocabulary), 5, seed, **config)
    return Checkpoint(network, vocabulary, {"metrics": {"loss": 1.25, "step": 7}, "seed": seed})


@pytest.mark.parametrize("attention", [0, 1, 7])
@pytest.mark.parametrize("embed_size", [0, 3])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_every_bit_comes_back(cell, dtype, num_layers, embed_size, attention, tmp_path):
    sizes = {"num_layers": num_layers, "embed_size": embed_size, "attention": attention}
    saved = model(cell, dtype=dtype, dropout=0.25, **sizes)
    save(tmp_path / "m.npz", saved)
    loaded = load(tmp_path / "m.npz")
    assert loaded.network.flat.dtype == dtype
    assert loaded.network.flat.tobytes() == saved.network.flat.tobytes()
    assert loaded.network.config == saved.network.config
    assert loaded.vocabulary.text == "".join(sorted(LETTERS))
    assert loaded.meta["metrics"] == saved.meta["metrics"]


@pytest.mark.parametrize("embed_size", [0, 3])
@pytest.mark.parametrize("cell, gates", [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_numpy_reads_it_without_pickle(cell, gates, embed_size, tmp_path):
    vocab = len(LETTERS)
    save(tmp_path / "m.npz", model(cell, num_layers=2, embed_size=embed_size))
    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        shapes = {name: file[name].shape for name in file.files if name != "meta"}
        meta = json.loads(file["meta"].tobytes())
        assert "".join(map(chr, file["vocab"])) == "".join(sorted(LETTERS))
    expected: dict[str, tuple[int, ...]] = {"vocab": (vocab,), "out.weight": (vocab, 5), "out.bias": (vocab,)}
    for layer, inputs in enumerate([embed_size or vocab, 5]):
        expected[f"rnn.weight_ih_l{layer}"] = (gates * 5, inputs)
        expected[f"rnn.weight_hh_l{layer}"] = (gates * 5, 5)
        expected[f"rnn.bias_ih_l{layer}"] = expected[f"rnn.bias_hh_l{layer}"] = (gates * 5,)
    assert shapes == expected | ({"embed.weight": (vocab, 3)} if embed_size else {})
    assert meta["model"]["cell"] == cell and meta["format"] == 1


def test_attention_has_names_of_its_own(tmp_path):
    save(tmp_path / "m.npz", saved := model("gru", attention=7))
    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        found = {name: file[name] for name in file.files if name.startswith("attn.")}
    w = saved.network.weights
    expected = dict(zip(("query", "key", "value"), w.attention.project, strict=True)) | {
        "out": w.attention.out[0]
    }
    assert found.keys() == {"attn.lag.bias", *(f"attn.{name}.weight" for name in expected)}
    np.testing.assert_array_equal(found["attn.lag.bias"], w.attention.lag)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[f"attn.{name}.weight"], array)


def test_the_same_model_is_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        save(tmp_path / name, model())
    save(tmp_path / "c.npz", load(tmp_path / "a.npz"))
    first, *others = ((tmp_path / name).read_bytes() for name in ("a.npz", "b.npz", "c.npz"))
    assert others == [first, first]


def no_space(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAILURES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "fsync": lambda patch: patch.setattr(os, "fsync", no_space),
    "write": lambda patch: patch.setattr(zipfile.ZipFile, "writestr", no_space),
    "directory of the zip": lambda patch: patch.setattr(zipfile.ZipFile, "_write_end_record", no_space),
    "rename": lambda patch: patch.setattr(Path, "replace", no_space),
    "temporary file": lambda patch: patch.setattr("tempfile.mkstemp", no_space),
}


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_write_that_fails_leaves_the_old_file(monkeypatch, tmp_path, failure, existing):
    path = tmp_path / "m.npz"
    if existing:
        save(path, model(seed=1))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        FAILURES[failure](patch)
        with pytest.raises(CheckpointError, match=r"m\.npz could not be written: No space left.*make room"):
            save(path, model(seed=2))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.skipif(os.name != "posix", reason="only there is a folder flushed")
def test_an_error_means_that_the_old_file_is_there(monkeypatch, tmp_path):
    """Some file systems cannot flush a folder; by then the new file has its place."""
    path, flush = tmp_path / "m.npz", os.fsync
    save(path, model(seed=1))
    before = path.read_bytes()

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    try:
        save(path, model(seed=2))
    except CheckpointError:
        assert path.read_bytes() == before
    else:
        assert load(path).meta["seed"] == 2


def test_an_interrupt_while_writing_leaves_the_old_file(monkeypatch, tmp_path):
    path = tmp_path / "m.npz"
    save(path, model(seed=1))
    before = path.read_bytes()

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(path, model(seed=2))
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [before]


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite_are_refused(tmp_path, spoilt):
    path = tmp_path / "m.npz"
    save(path, model())
    before, bad = path.read_bytes(), model()
    bad.network.flat[-1] = spoilt
    with pytest.raises(CheckpointError, match="not finite"):
        save(path, bad)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [before]


def test_a_folder_that_does_not_exist_is_made(tmp_path):
    save(tmp_path / "new" / "folder" / "m.npz", model())
    assert load(tmp_path / "new" / "folder" / "m.npz").meta["seed"] == 0


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    save(tmp_path / "m.npz", model())
    assert (tmp_path / "m.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_name_without_its_ending_is_understood(saved):
    with pytest.raises(CheckpointError, match=r"there is no file .*model; did you mean .*model\.npz\?"):
        load(saved.with_suffix(""))
