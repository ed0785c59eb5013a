"""Every mistake that teaching texts make is found, by the check that is meant to find it, where it is made.

Each mistake is a changed line or few (mistakes.py) of a copy of the package that runs as plain Python
(plain.py): compiled anew, each would take ten seconds and all of them ten minutes. A small model is enough,
since the gradient check looks at every element of every tensor. That the unchanged copy passes the same
checks, and computes what the compiled kernels compute, shows that nothing but the mistake is found.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import naive
import numpy as np
import plain
import pytest
from mistakes import SHARED, Mistake
from mistakes_cells import CELLS

from charrnn import cells
from charrnn.config import GradcheckConfig, ModelConfig
from charrnn.inspection import gradcheck
from charrnn.model.pytorch import named

SIZES = {"vocab_size": 3, "seq_len": 3, "batch_size": 2}
NOISE, CLEAR = 1e-9, 1e-5  # errors of right gradients are below the one, of wrong ones above the other
Found = dict[str, float]  # the largest error of each thing that was looked at
MISTAKES = [*SHARED, *CELLS]
CASES = [pytest.param(m, cell, id=f"{m.group}. {m.name} ({cell})") for m in MISTAKES for cell in m.cells]


def settings(package: plain.Package, cell: str, **config: Any) -> tuple[Any, Any]:
    made = package("config")
    return made.ModelConfig(cell, 2, **{"dropout": 0.0, "dtype": "float64"} | config), (
        made.GradcheckConfig(**SIZES)
    )


def gradient(package: plain.Package, cell: str, **config: Any) -> Found:
    """The gradient check."""
    rows = package("inspection.gradcheck").check(*settings(package, cell, **config))
    return {row.tensor: row.largest for row in rows}


def oracle(package: plain.Package, cell: str, **config: Any) -> Found:
    """Scores and the state carried on against naive.py."""
    problem = package("inspection.gradcheck").Problem(*settings(package, cell, **config))
    problem._set()
    shard, arrays = problem.shard, named(problem.network.layout, problem.network.flat)
    logits, state = naive.forward(cell, arrays, problem.inputs, shard.rows_of_state)
    nats = shard.score(problem.inputs, problem.targets)
    return {
        "nats": largest(nats - naive.nats(logits, problem.targets)),
        "state": largest(shard.rows_of_state - state),
    }


def large_logits(package: plain.Package, cell: str, **config: Any) -> Found:
    """The loss of float32 logits of 100, against naive.py."""
    logits, targets = np.array([[100, 0, -100], [0, 100, 100]], np.float32), np.array([1, 2], np.int32)
    nats, expected = np.empty(2), naive.nats(logits.astype(float), targets)
    package("kernels.activations").softmax_cross_entropy(logits, targets, nats)
    return {"nats": largest(nats / expected - 1) / 1e3}  # float32 is right to 1e-7


def large_gradient(package: plain.Package, cell: str, **config: Any) -> Found:
    """The gradient of a million times the loss, against a million times the gradient."""
    problem = package("inspection.gradcheck").Problem(*settings(package, cell, **config))
    layout, shard = problem.network.layout, problem.shard
    grads = []
    for scale in (1.0, 1e6):
        problem._set()
        grad = np.zeros(layout.size)
        shard.gradient(problem.inputs, problem.targets, grad, layout.views(grad), scale)
        grads.append(grad / scale)
    return {"gradient": largest(grads[0] - grads[1]) / largest(grads[0])}


def future(package: plain.Package, cell: str, **config: Any) -> Found:
    """Scores of a text, against those of one whose last character differs."""
    problem = package("inspection.gradcheck").Problem(*settings(package, cell, **config))
    other = problem.inputs.copy()  # which shares no memory with the targets
    other[:, -1] = (other[:, -1] + 1) % SIZES["vocab_size"]
    nats = []
    for inputs in (problem.inputs, other):
        problem._set()
        nats.append(problem.shard.score(inputs, problem.targets)[:, :-1].copy())
    return {"nats": largest(nats[0] - nats[1])}


CHECKS: dict[str, Callable[..., Found]] = {
    "gradient": gradient,
    "oracle": oracle,
    "logits of 100": large_logits,
    "large gradient": large_gradient,
    "future": future,
}


def largest(error: Any) -> float:
    """The largest absolute value, infinite where one is not finite."""
    return float(np.max(np.where(np.isfinite(error), np.abs(error), np.inf)))


@pytest.fixture(autouse=True)
def like_compiled_code():
    """Compiled arithmetic gives inf and NaN without a warning."""
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("mistake, cell", CASES)
def test_a_mistake_is_found_where_it_is_made(tmp_path, mistake: Mistake, cell):
    """What is named is wrong beyond doubt, and all else is right beyond doubt."""
    with plain.package(tmp_path, mistake.edits) as package:
        for check, patterns in mistake.reports.items():
            found = CHECKS[check](package, cell, **mistake.config)
            expected = {name for name in found if any(fnmatchcase(name, p) for p in patterns.split())}
            wrong = {name for name, error in found.items() if error > NOISE}
            assert wrong == expected, f"{check}: {found}"
            assert all(found[name] > CLEAR for name in wrong), f"{check}: {found}"


MODELS = sorted({(cell, *mistake.config.items()) for mistake in MISTAKES for cell in mistake.cells})


@pytest.mark.parametrize("cell, config", [(cell, dict(config)) for cell, *config in MODELS])
def test_without_a_mistake_every_check_passes(tmp_path, cell, config):
    with plain.package(tmp_path) as package:
        for name, check in CHECKS.items():
            if name != "oracle" or "attention" not in config:  # naive.py carries no keys
                found = check(package, cell, **config)
                assert max(found.values()) < NOISE, f"{name}: {found}"


@pytest.mark.parametrize("cell", cells.names())
def test_plain_python_computes_what_compiled_kernels_compute(tmp_path, cell):
    config = {"num_layers": 2, "embed_size": 2, "attention": 2, "dropout": 0.3}
    with plain.package(tmp_path) as package:
        problem = package("inspection.gradcheck").Problem(*settings(package, cell, **config))
        loss, (grad, carried) = problem.loss(), problem.gradient()
    model = ModelConfig(cell, 2, dtype="float64", **config)
    compiled = gradcheck.Problem(model, GradcheckConfig(**SIZES))
    assert loss == pytest.approx(compiled.loss(), rel=1e-12)
    for got, expected in zip((grad, carried), compiled.gradient(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_every_group_is_there_and_no_mistake_passes_every_check():
    assert {mistake.group for mistake in MISTAKES} == set(range(1, 13))
    assert {check for mistake in MISTAKES for check in mistake.reports} == set(CHECKS)
    assert all(any(mistake.reports.values()) for mistake in MISTAKES)


def test_a_line_that_is_no_longer_there_is_noticed(tmp_path):
    with pytest.raises(AssertionError, match="0 times"):
        plain.copy(tmp_path / "copy", [plain.Edit("cells/gru.py", "no such line", "")])
