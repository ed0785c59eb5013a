"""Logits, loss and every gradient against PyTorch: kept answers, and live ones where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
import support
from support import CELLS

from charrnn import cells
from charrnn.array_types import Array
from charrnn.config import ModelConfig
from charrnn.model.layout import Layout
from charrnn.model.network import Network
from charrnn.model.pytorch import export, load
from charrnn.model.shard import Shard

GOLDEN_CASES = ["rnn-1", "rnn-2", "gru-1", "gru-2", "lstm-1", "lstm-2", "gru-2-embed"]
GOLDEN_CASES += ["rnn_relu-1", "rnn_relu-2", "gru-2-attention", "lstm-1-embed-attention"]
REASON = "PyTorch is not installed: pip install torch (the kept answers are compared all the same)"
GATES = {"rnn": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}


def network(arrays: Mapping[str, Array], cell: str, dtype: str = "float64") -> Network:
    """A charrnn network of PyTorch's weights, its sizes read off their shapes."""
    vocab, hidden = arrays["out.weight"].shape
    layers = sum(name.startswith("rnn.weight_hh") for name in arrays)
    embed = arrays["embed.weight"].shape[1] if "embed.weight" in arrays else 0
    attention = len(arrays["attn.lag.bias"]) if "attn.lag.bias" in arrays else 0
    config = ModelConfig(cell, hidden, layers, embed, dtype=dtype, attention=attention)
    made = Network(config, vocab, load(Layout(config, vocab), arrays))
    made.pack()
    return made


def expected_gradient(name: str, answer: Mapping[str, Array], cell: str) -> Array:
    """PyTorch's gradient of the charrnn parameter `name`."""
    if not name.startswith("rnn.bias_l"):
        return answer[f"grad {name}"]
    layer = name.removeprefix("rnn.bias_l")
    from_input, from_h = (answer[f"grad rnn.bias_{kind}_l{layer}"] for kind in ("ih", "hh"))
    if cell != "gru":
        return from_input  # the two are a sum's terms: one bias stands for both
    hidden = len(from_h) // GATES[cell]
    return np.concatenate([from_input, from_h[2 * hidden :]])  # r z n, and b_hn, which r multiplies


def compare(arrays: Mapping[str, Array], answer: Mapping[str, Array], cell: str) -> None:
    """All that PyTorch answered, to 1e-10."""
    close = {"rtol": 1e-10, "atol": 1e-12}
    inputs, targets = answer["inputs"], answer["targets"]
    net = network(arrays, cell)
    shard = Shard(net, *inputs.shape)
    shard.rows_of_state[...] = answer["state"]
    np.testing.assert_allclose(support.logits(shard, inputs), answer["logits"], **close, err_msg="logits")
    loss, grad, dstate = support.gradient(shard, inputs, targets)
    np.testing.assert_allclose(loss, answer["loss"], **close, err_msg="loss")
    for name, got in grad.items():
        expected = expected_gradient(name, answer, cell)
        np.testing.assert_allclose(got, expected, **close, err_msg=f"gradient of {name}")
    np.testing.assert_allclose(dstate, answer["grad state"], **close, err_msg="gradient of the state")
    compared = {name for name in answer if name.startswith("grad ") and "bias_" not in name}
    assert compared == {f"grad {name}" for name in grad if "bias_l" not in name} | {"grad state"}


WEIGHTS = ("embed.", "rnn.", "attn.", "out.")


def without_gradients(answer: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array for name, array in answer.items() if name.startswith(WEIGHTS)}


@pytest.mark.parametrize("case", GOLDEN_CASES)
def test_kept_answers(case):
    answer = support.golden(case)
    compare(without_gradients(answer), answer, case.split("-")[0])


@pytest.mark.parametrize("case", GOLDEN_CASES)
def test_exported_arrays_are_the_same_function(case):
    """Only the sum of PyTorch's biases is learned, so export may share it out anew."""
    answer, cell = support.golden(case), case.split("-")[0]
    arrays = without_gradients(answer)
    layout = network(arrays, cell).layout
    exported = export(layout, load(layout, arrays))
    assert {name: a.shape for name, a in exported.items()} == {name: a.shape for name, a in arrays.items()}
    for name in arrays:
        if "bias_" not in name:
            np.testing.assert_array_equal(exported[name], arrays[name])
    compare(exported, answer, cell)


@pytest.mark.parametrize("case", GOLDEN_CASES)
def test_loading_what_was_exported_is_exact(case):
    layout = network(without_gradients(support.golden(case)), case.split("-")[0]).layout
    flat = np.random.default_rng(0).standard_normal(layout.size)
    np.testing.assert_array_equal(load(layout, export(layout, flat)), flat)


SHAPES = list(product((1, 3, 8), (2, 65), (1, 17), (1, 5)))


@pytest.mark.parametrize("cell", sorted(GATES))
@pytest.mark.parametrize("number", range(len(SHAPES)), ids=["H{}-V{}-B{}-T{}".format(*s) for s in SHAPES])
def test_live(cell, number):
    """Random weights of every size of model, one to three layers, with or without embedding and attention."""
    torch = pytest.importorskip("torch", reason=REASON)
    import torch_twin

    hidden, vocab, batch, steps = SHAPES[number]
    layers, embed, attention = 1 + number % 3, (0, 4)[number // 2 % 2], (0, 3, 9)[number // 3 % 3]
    torch.manual_seed(number)
    twin = torch_twin.Twin(cell, vocab, hidden, layers, embed, attention)
    inputs, targets = support.chunk(vocab, batch, steps, number)
    arrays = {name: p.detach().numpy() for name, p in twin.named_parameters()}
    net = network(arrays, cell)
    state = support.state(Shard(net, batch, steps), number)
    answer = torch_twin.answer(twin, inputs, targets, state)
    compare(arrays, answer, cell)

    twin.load(export(net.layout, net.flat))  # and back: what charrnn exports, PyTorch computes alike
    again = torch_twin.answer(twin, inputs, targets, state)
    np.testing.assert_allclose(again["logits"], answer["logits"], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("seed", range(4))
def test_live_float32_logits(cell, seed):
    """Within 1e-5 of PyTorch's float64 on the same (float32) weights."""
    torch = pytest.importorskip("torch", reason=REASON)
    import torch_twin

    torch.manual_seed(seed)
    twin = torch_twin.Twin(cell, 65, 48, 1 + seed % 2, 5 * (seed // 2), 8 * (seed % 2))
    inputs, targets = support.chunk(65, 17, 30, seed)
    net = network({name: p.detach().numpy() for name, p in twin.named_parameters()}, cell, "float32")
    shard = Shard(net, 17, 30)
    shard.rows_of_state[...] = support.state(shard, seed)
    twin.load(export(net.layout, net.flat))
    expected = torch_twin.answer(twin, inputs, targets, shard.rows_of_state)["logits"]
    np.testing.assert_allclose(support.logits(shard, inputs), expected, rtol=0, atol=1e-5)


def test_every_cell_has_kept_answers():
    """A new cell that PyTorch has belongs into make_golden.py."""
    assert {case.split("-")[0] for case in GOLDEN_CASES} >= set(cells.names()) & set(GATES)
