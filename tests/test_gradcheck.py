"""The gradient check passes for every model there is, and fails for a gradient that is slightly wrong."""

from __future__ import annotations

import numpy as np
import pytest
from support import CELLS

from charrnn.config import GradcheckConfig, ModelConfig
from charrnn.inspection.gradcheck import Problem, Row, check

SMALL = GradcheckConfig(vocab_size=5, seq_len=4, batch_size=2)


def rows(cell: str, **config: float | str) -> list[Row]:
    sizes = {"hidden_size": 3, "dtype": "float64"} | config
    return list(check(ModelConfig(cell, **{"dropout": 0.0, **sizes}), SMALL))


def within(found: list[Row], limit: float) -> None:
    worst = max(found, key=lambda row: row.largest)
    assert worst.largest < limit, f"{worst.tensor}: {worst.largest:.1e}"
    assert all(row.passed for row in found)


@pytest.mark.parametrize("attention", [0, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("embed_size", [0, 3])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_every_gradient_is_right(cell, num_layers, embed_size, dropout, attention):
    within(
        rows(cell, num_layers=num_layers, embed_size=embed_size, dropout=dropout, attention=attention), 1e-9
    )


@pytest.mark.parametrize("attention", [1, 2, 9])
def test_windows_shorter_and_longer_than_a_chunk(attention):
    within(rows("gru", attention=attention), 1e-9)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_a_cell_with_corners(num_layers):
    """Differences that are kept between corners are shorter, and carry more noise."""
    within(rows("rnn_relu", num_layers=num_layers, embed_size=3, dropout=0.3, attention=3), 1e-8)


@pytest.mark.parametrize("cell", CELLS)
def test_every_number_is_checked(cell):
    """Each parameter once, and the carried state of each sequence."""
    found = rows(cell, num_layers=2, embed_size=3)
    network = Problem(ModelConfig(cell, 3, 2, 3, 0.0, "float64"), SMALL).network
    parameters = [row.elements for row in found if not row.tensor.startswith("carried")]
    carried = [row.elements for row in found if row.tensor.startswith("carried")]
    assert sum(parameters) == network.flat.size
    assert sum(carried) == network.config.num_layers * len(network.cell.states) * 3 * SMALL.batch_size


def test_the_problem_is_no_easy_one():
    """What could hide a mistake is there: a carried state, dropped units, a character that occurs twice."""
    problem = Problem(ModelConfig("lstm", 6, 2, dropout=0.3, dtype="float64"), SMALL)
    assert np.abs(problem.state).min() > 0
    assert (problem.inputs[:, 0] == problem.inputs[:, 1]).all()
    problem.loss()
    dropped = problem.shard.work(SMALL.seq_len).dropped
    assert 0 < (dropped == 0).mean() < 1


def spoil(monkeypatch: pytest.MonkeyPatch, tensor: str, change: float) -> None:
    """Multiply the largest element of one tensor's analytic gradient by `change`."""
    tensors = Problem.tensors

    def spoilt(problem):
        for name, values, analytic in tensors(problem):
            if name == tensor:
                analytic.flat[np.argmax(np.abs(analytic))] *= change
            yield name, values, analytic

    monkeypatch.setattr(Problem, "tensors", spoilt)


PLACES = {
    ("rnn.weight_ih_l0", (2, 1)): "r of unit 2, from character 1",
    ("rnn.weight_hh_l0", (7, 2)): "m of unit 1, from unit 2",
    ("rnn.weight_ih_l1", (4, 0)): "z of unit 1, from input 0",
    ("rnn.bias_l1", (11,)): "m of unit 2",
    ("attn.key.weight", (1, 2)): "unit 1, from unit 2",
    ("attn.lag.bias", (2,)): "lag 2",
    ("out.weight", (3, 0)): "character 3, unit 0",
    ("carried state", (1, 1, 0, 2)): "h of unit 2 in layer 2, sequence 1",
    ("carried values", (1, 1, 2)): "sequence 1, step 1, unit 2",
}


@pytest.mark.parametrize("tensor, index", PLACES)
def test_the_worst_element_is_named(monkeypatch, tensor, index):
    tensors = Problem.tensors

    def spoilt(problem):
        for name, values, analytic in tensors(problem):
            if name == tensor:
                analytic[index] += 0.5
            yield name, values, analytic

    monkeypatch.setattr(Problem, "tensors", spoilt)
    (row,) = (row for row in rows("gru", num_layers=2, attention=3) if not row.passed)
    assert (row.tensor, row.index, row.place) == (tensor, index, PLACES[tensor, index])
    assert row.analytic - row.numeric == pytest.approx(0.5, abs=1e-6)


TENSORS = [
    "embed.weight",
    "rnn.weight_ih_l0",
    "rnn.weight_hh_l0",
    "rnn.bias_l0",
    "rnn.weight_ih_l1",
    "rnn.weight_hh_l1",
    "rnn.bias_l1",
    "attn.query.weight",
    "attn.key.weight",
    "attn.value.weight",
    "attn.lag.bias",
    "attn.out.weight",
    "out.weight",
    "out.bias",
    "carried state",
    "carried keys",
    "carried values",
]


@pytest.mark.parametrize("change", [1.001, -1, 0, np.nan, np.inf])
@pytest.mark.parametrize("tensor", TENSORS)
def test_one_wrong_element_fails_its_tensor_alone(monkeypatch, tensor, change):
    spoil(monkeypatch, tensor, change)
    with np.errstate(invalid="ignore"):  # inf / inf
        found = rows("gru", num_layers=2, embed_size=3, attention=3)
    assert [row.tensor for row in found] == TENSORS
    assert [row.tensor for row in found if not row.passed] == [tensor]


@pytest.mark.parametrize("cell", CELLS)
def test_a_carried_state_without_gradient_fails(monkeypatch, cell):
    gradient = Problem.gradient

    def cut(problem):
        grad, dstate = gradient(problem)
        return grad, np.zeros_like(dstate)

    monkeypatch.setattr(Problem, "gradient", cut)
    failed = {row.tensor for row in rows(cell) if not row.passed}
    assert failed == {row.tensor for row in rows(cell) if row.tensor.startswith("carried")}


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_of_other_dropout_masks_fails(monkeypatch, cell):
    gradient = Problem.gradient

    def other_masks(problem):
        problem.key += 1
        try:
            return gradient(problem)
        finally:
            problem.key -= 1

    monkeypatch.setattr(Problem, "gradient", other_masks)
    assert not all(row.passed for row in rows(cell, dropout=0.3))


def test_the_check_leaves_the_parameters_as_they_were():
    problem = Problem(ModelConfig("lstm", 3, dropout=0.0, dtype="float64"), SMALL)
    before = problem.network.flat.copy()
    for _, values, _ in problem.tensors():
        problem.numeric(values, SMALL.eps)
    np.testing.assert_array_equal(problem.network.flat, before)
