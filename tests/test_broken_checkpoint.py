"""A damaged file, or one that never was a checkpoint, is refused by its name, and by no other error."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from support import refused, rewrite, rewrite_meta

from charrnn import checkpoint
from charrnn.errors import CheckpointError


def test_rewriting_without_a_change_is_sound(saved):
    rewrite(saved, lambda arrays: None)
    rewrite_meta(saved, lambda meta: None)
    assert checkpoint.load(saved).network.config.cell == "gru"


@pytest.mark.parametrize("share", np.linspace(0, 0.999, 20).round(3))
def test_a_file_cut_short(saved, share):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * share)])
    refused(saved)


@pytest.mark.parametrize("number", range(200))
def test_a_changed_byte(saved, number):
    """Zip checks its members' sums; if it is not checked, a byte may be harmless, but not misread."""
    data = bytearray(saved.read_bytes())
    rng = np.random.default_rng(number)
    data[number * len(data) // 200] ^= 1 << int(rng.integers(8))
    before = checkpoint.load(saved)
    saved.write_bytes(data)
    try:
        after = checkpoint.load(saved)
    except CheckpointError as error:
        assert str(saved) in str(error)
    else:
        assert after.vocabulary.text == before.vocabulary.text
        np.testing.assert_array_equal(after.network.flat, before.network.flat)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18), b"\x93NUMPY\x01\x00"])
def test_no_checkpoint_at_all(saved, content):
    saved.write_bytes(content)
    refused(saved)


def test_no_file_and_a_folder(tmp_path):
    refused(tmp_path / "missing.npz", "no file")
    refused(tmp_path, "folder")


def test_another_zip_of_arrays(saved):
    np.savez(saved, x=np.zeros(3))
    refused(saved, "meta")


def test_a_pickle_is_not_opened(saved):
    rewrite(saved, lambda arrays: arrays.update({"out.bias": np.array([print], object)}))
    refused(saved)


def test_a_compressed_member_is_refused(saved):
    with np.load(saved) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez_compressed(saved, **arrays)
    refused(saved, "compressed")


def test_a_member_that_is_no_array(saved):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("readme.txt", "hello")
    refused(saved, r"readme\.txt")


def test_a_member_that_asks_for_a_password(saved):
    data = bytearray(saved.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # zip's flag for an encrypted member
    saved.write_bytes(data)
    refused(saved)


def test_an_array_that_claims_to_be_larger_than_memory(saved):
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
    with zipfile.ZipFile(saved, "w") as archive, archive.open("meta.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
    refused(saved)
