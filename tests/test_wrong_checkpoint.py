"""A whole file with the wrong arrays, vocabulary or meta is refused, and the message says which."""

from __future__ import annotations

import numpy as np
import pytest
from support import refused, rewrite, rewrite_meta

from charrnn import checkpoint

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


POINTS = {
    "not sorted": np.array([10, 98, 97, 99], np.uint32),
    "twice": np.array([10, 97, 97, 99], np.uint32),
    "beyond Unicode": np.array([10, 97, 98, 0x110000], np.uint32),
    "signed": np.array([10, 97, 98, 99], np.int64),
    "empty": np.array([], np.uint32),
    "a matrix": np.array([[10, 97], [98, 99]], np.uint32),
    "a scalar": np.array(10, np.uint32),
    "too few": np.array([10, 97, 98], np.uint32),
}


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS)
def test_a_vocabulary_that_is_none(saved, points):
    rewrite(saved, lambda arrays: arrays.update(vocab=points))
    refused(saved)


def test_a_newer_format(saved):
    rewrite_meta(saved, lambda meta: meta.update(format=checkpoint.FORMAT + 1))
    refused(saved, "newer.*update charrnn")


@pytest.mark.parametrize(
    "model",
    [
        {"cell": "nonesuch"},
        {"cell": 3},
        {"dtype": "float16"},
        {"dtype": 8},
        {"hidden_size": 0},
        {"hidden_size": -1},
        {"hidden_size": "3"},
        {"hidden_size": 2.5},
        {"hidden_size": 4},
        {"hidden_size": 10**12},
        {"num_layers": 0},
        {"num_layers": 2},
        {"num_layers": 10_000},
        {"embed_size": -1},
        {"dropout": 1.5},
        {"dropout": None},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_model_that_cannot_be(saved, model):
    rewrite_meta(saved, lambda meta: meta["model"].update(model))
    refused(saved)


@pytest.mark.parametrize("model", [None, [], "gru", 3, {}], ids=str)
def test_a_model_that_is_none(saved, model):
    rewrite_meta(saved, lambda meta: meta.update(model=model))
    refused(saved)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "{}", '{"format": "1"}', '{"format": 1}'])
def test_a_meta_that_is_none(saved, text):
    rewrite(saved, lambda arrays: arrays.update(meta=np.frombuffer(text.encode(), np.uint8)))
    refused(saved)
