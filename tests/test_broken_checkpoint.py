"""A damaged file, or one that never was a checkpoint, is refused by its name, and by no other error."""

from __future__ import annotations

import json

import hostile
import numpy as np
import pytest
from support import refused, rewrite, rewrite_meta

from charrnn.checkpoint import npz
from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.reading import load
from charrnn.errors import CheckpointError

FLIPS = 2000


def content(loaded: Checkpoint) -> tuple[str, str, bytes, dict[str, bytes]]:
    """All that a checkpoint holds."""
    extra = {name: array.tobytes() for name, array in loaded.extra.items()}
    return json.dumps(loaded.meta), loaded.vocabulary.text, loaded.network.flat.tobytes(), extra


def test_rewriting_without_a_change_is_sound(saved):
    rewrite(saved, lambda arrays: None)
    rewrite_meta(saved, lambda meta: None)
    assert load(saved).network.config.cell == "gru"


def test_a_file_cut_short_anywhere(tmp_path):
    path, whole = tmp_path / "m.npz", hostile.sound()
    path.write_bytes(whole)
    for length in reversed(range(len(whole))):
        with path.open("r+b") as file:
            file.truncate(length)
        refused(path)


def test_a_flipped_bit_is_refused_or_harms_nothing(tmp_path, request):
    """Every member's checksum is verified; of the rest of a zip, dates for example are nobody's business.

    `pytest --flips 100000` for more flips than the few thousand of an ordinary run.
    """
    path, whole = tmp_path / "m.npz", hostile.sound()
    path.write_bytes(whole)
    before, harmless = content(load(path)), 0
    flips = max(FLIPS, request.config.getoption("--flips"))
    for place in np.random.default_rng(flips).integers(0, 8 * len(whole), flips):
        spoilt = bytearray(whole)
        spoilt[place // 8] ^= 1 << place % 8
        path.write_bytes(spoilt)
        try:
            after = load(path)
        except CheckpointError as error:
            assert str(path) in str(error)
        else:
            harmless += 1
            assert content(after) == before
    assert harmless < flips / 10


@pytest.mark.parametrize(
    "name", ["meta", "vocab", "out.bias", "rnn.weight_hh_l0", "optim.1", "state.carried"]
)
def test_a_checksum_is_verified_of_every_member(name, tmp_path):
    """A change that leaves another sound checkpoint: another command, letter or weight."""
    path, whole = tmp_path / "m.npz", hostile.sound()
    path.write_bytes(whole)
    with path.open("rb") as file:
        member = npz.members(file)[name]
    change = whole.index(b"charrnn train") if name == "meta" else member.start + {"vocab": 12}.get(name, 0)
    spoilt = bytearray(whole)
    spoilt[change] ^= 2 if name != "vocab" else 4
    path.write_bytes(spoilt)
    refused(path, "checksum")


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x05\x06" + bytes(18), b"\x93NUMPY\x01\x00"])
def test_no_checkpoint_at_all(saved, data):
    saved.write_bytes(data)
    refused(saved)


def test_no_file_and_a_folder(tmp_path):
    refused(tmp_path / "missing.npz", "no file")
    refused(tmp_path, "folder")


def test_another_zip_of_arrays(saved):
    npz.write(saved, {"x": np.zeros(3)})
    refused(saved, "meta")


def test_a_compressed_member_is_refused(saved):
    with np.load(saved) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez_compressed(saved, **arrays)
    refused(saved, "compressed")
