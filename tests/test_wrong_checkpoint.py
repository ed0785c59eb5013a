"""A whole file with the wrong arrays, vocabulary or meta is refused, and the message says which."""

from __future__ import annotations

import numpy as np
import pytest
import support
from support import refused, rewrite, rewrite_meta

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.metadata import FORMAT
from charrnn.checkpoint.reading import load
from charrnn.checkpoint.writing import save
from charrnn.text.vocabulary import Vocabulary

NAMES = ["vocab", "meta", "out.weight", "out.bias", "rnn.weight_ih_l0", "rnn.bias_hh_l0"]
WEIGHTS = [name for name in NAMES if "." in name]


@pytest.mark.parametrize("name", NAMES)
def test_an_array_is_missing(saved, name):
    rewrite(saved, lambda arrays: arrays.pop(name))
    refused(saved, name)


def test_an_array_too_many(saved):
    rewrite(saved, lambda arrays: arrays.update(extra=np.zeros(3)))
    refused(saved, "extra")


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "bool"])
def test_an_array_of_another_type(saved, name, dtype):
    rewrite(saved, lambda arrays: arrays.update({name: arrays[name].astype(dtype)}))
    refused(saved, name)


@pytest.mark.parametrize("name", WEIGHTS)
def test_an_array_of_another_shape(saved, name):
    rewrite(saved, lambda arrays: arrays.update({name: arrays[name][:-1]}))
    refused(saved, name)
    rewrite(saved, lambda arrays: arrays.update({name: arrays[name].reshape(1, -1)}))
    refused(saved, name)


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_values_that_are_not_finite(saved, name, spoilt):
    rewrite(saved, lambda arrays: arrays[name].reshape(-1).__setitem__(0, spoilt))
    refused(saved, f"{name}.*not finite")


@pytest.mark.parametrize("told", [0, 3, 5, 4096])
def test_attention_that_is_not_that_of_the_arrays(tmp_path, told):
    """Its lags, and what streams carry, have the window's size."""
    network = support.network("gru", 4, 3, attention=4)
    extra = {"state.carried": np.zeros((2, network.layout.carried_size), np.float32)}
    path = tmp_path / "m.npz"
    save(path, Checkpoint(network, Vocabulary.of("abcd"), {}, extra))
    assert load(path).network.config.attention == 4
    rewrite_meta(path, lambda meta: meta["model"].update(attention=told))
    refused(path, r"attn\.lag\.bias" if told else "unexpected arrays: 'attn.key.weight'")
    rewrite_meta(path, lambda meta: meta["model"].update(attention=4))
    rewrite(path, lambda arrays: arrays.update({"state.carried": arrays["state.carried"][:, 1:]}))
    refused(path, r"state\.carried")


def test_a_newer_format(saved):
    rewrite_meta(saved, lambda meta: meta.update(format=FORMAT + 1))
    refused(saved, "newer.*update charrnn")
