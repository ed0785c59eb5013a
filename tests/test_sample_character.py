"""The draw kernel against the exact distribution, computed by plain numpy, and at the edges of numbers."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import DTYPES

from charrnn.kernels.sample_character import Rules, draw

ALMOST_ONE = np.nextafter(1, 0)
EDGES = [0.0, 5e-324, 0.5, ALMOST_ONE]
OFF = Rules(penalty=1.0, temp=1.0, top_k=0, top_p=1.0, min_p=0.0)
NONE = np.zeros(0, np.int32)


@numba.njit
def many(logits, rules, recent, uniforms, p):
    ids = np.zeros(uniforms.size, np.int64)
    for i in range(uniforms.size):
        ids[i] = draw(logits, rules, recent, uniforms[i], p)
    return ids


def drawn(logits, uniforms, recent=NONE, **rules) -> np.ndarray:
    logits = np.asarray(logits)
    made = OFF._replace(**rules | {"top_k": min(rules.get("top_k", logits.size), logits.size)})
    return many(
        logits, made, np.asarray(recent, np.int32), np.asarray(uniforms), np.full(logits.size, np.nan)
    )


def exact(logits, recent=NONE, *, penalty=1.0, temp=1.0, top_k=None, top_p=1.0, min_p=0.0) -> np.ndarray:
    """The distribution that the rules make of softmax(logits), each a step of its own."""

    def normalised(p):
        return p / p.sum()

    logits = np.asarray(logits, np.float64)
    log_p = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
    log_p[np.unique(np.asarray(recent, int))] *= penalty
    p = normalised(np.exp((log_p - log_p.max()) / temp))
    order = sorted(range(p.size), key=lambda k: (-p[k], k))
    p[order[top_k or p.size :]] = 0
    p = normalised(p)
    if top_p < 1:
        kept = 1 + int(np.searchsorted(np.cumsum(p[order]), top_p))
        p[order[kept:]] = 0
    p[p < min_p * p.max()] = 0
    return normalised(p)


def chi_square_bound(df: int) -> float:
    """Exceeded with probability 1e-4 (Wilson & Hilferty 1931, good to a percent from 3 degrees on)."""
    normal_quantile = 3.719
    return df * (1 - 2 / (9 * df) + normal_quantile * np.sqrt(2 / (9 * df))) ** 3


RULES = [
    {},
    {"temp": 0.5},
    {"temp": 2.0},
    {"top_k": 6},
    {"top_p": 0.7},
    {"min_p": 0.2},
    {"penalty": 1.7},
    {"penalty": 0.6, "temp": 0.8},
    {"temp": 0.7, "top_k": 10, "top_p": 0.9},
    {"penalty": 1.3, "temp": 1.5, "top_k": 12, "top_p": 0.95, "min_p": 0.1},
]


@pytest.mark.parametrize("rules, dtype", list(zip(RULES, DTYPES * 5, strict=True)), ids=str)
def test_frequencies_are_those_of_the_exact_distribution(rules, dtype):
    """A million draws; each case fails by chance with probability 1e-4, and the seed is fixed."""
    rng = np.random.default_rng(11)
    logits = rng.uniform(-2, 2, 20).astype(dtype)
    recent = np.argsort(-logits)[[0, 0, 2, 5, 9, 5]]
    p = exact(logits, recent, **rules)
    counts = np.bincount(drawn(logits, rng.random(1_000_000), recent, **rules), minlength=20)
    assert not counts[p == 0].any()
    expected = counts.sum() * p[p > 0]
    assert expected.min() > 5 and expected.size > 3
    assert np.sum((counts[p > 0] - expected) ** 2 / expected) < chi_square_bound(expected.size - 1)


def test_the_oracle_would_see_a_wrong_order_of_filters():
    """The cases above tell rules from each other: no two give one distribution."""
    logits = np.random.default_rng(11).uniform(-2, 2, 20)
    made = [exact(logits, np.argsort(-logits)[[0, 2, 5, 9]], **rules) for rules in RULES]
    distances = [np.abs(a - b).sum() for i, a in enumerate(made) for b in made[:i]]
    assert min(distances) > 0.01


@pytest.mark.parametrize(
    "rules, kept",
    [
        ({"top_k": 1}, {1}),
        ({"top_k": 3}, {1, 2, 4}),
        ({"top_k": 4}, {0, 1, 2, 4}),  # of the equal 0, 3 and 5 the first
        ({"top_p": 0.22}, {1}),
        ({"top_p": 0.23}, {1, 2}),
        ({"top_p": 0.88}, {0, 1, 2, 3, 4}),
        ({"top_p": 1e-300}, {1}),
        ({"min_p": 0.49}, {0, 1, 2, 3, 4, 5}),
        ({"min_p": 0.51}, {1, 2, 4}),
        ({"min_p": 1.0}, {1, 2, 4}),
        ({"top_k": 4, "top_p": 0.9}, {0, 1, 2, 4}),
        ({"top_k": 3, "top_p": 0.6}, {1, 2}),  # of what top_k left, not of the whole
    ],
    ids=str,
)
def test_of_equals_the_lower_ids_are_kept(rules, kept):
    """Of three of probability 2/9 and three of 1/9."""
    logits = np.log([1, 2, 2, 1, 2, 1])
    assert set(drawn(logits, np.linspace(0, ALMOST_ONE, 500), **rules)) == kept


def test_of_many_equals_too():
    """More than a sort that is not stable leaves in order."""
    logits = np.tile([0.0, 1.0], 100)
    kept = drawn(logits, np.linspace(0, ALMOST_ONE, 2000), top_k=103)
    assert set(kept) == {*range(1, 200, 2), 0, 2, 4}


def test_a_share_that_is_reached_exactly_is_enough():
    assert set(drawn(np.zeros(4), np.linspace(0, ALMOST_ONE, 100), top_p=0.5)) == {0, 1}


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_uniform_number_selects_by_the_cumulative_sum(dtype):
    """Exactly: id k for u in [k/4, (k + 1)/4) when all four are equally likely."""
    uniforms = np.array([0, 0.2499, 0.25, 0.4999, 0.5, 0.7499, 0.75, ALMOST_ONE])
    np.testing.assert_array_equal(drawn(np.zeros(4, dtype), uniforms), [0, 0, 1, 1, 2, 2, 3, 3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature_0_takes_the_largest_and_of_equals_the_lowest_id(dtype):
    for logits, best in (([1, 3, 2], 1), ([2, 2, 2], 0), ([-5, 7, 7, 0, 7], 1), ([-np.inf, -3], 1)):
        for rules in ({}, {"top_k": 1}, {"top_p": 0.1}, {"min_p": 1.0}):
            assert set(drawn(np.array(logits, dtype), EDGES, temp=0.0, **rules)) == {best}


def test_temperature_0_heeds_the_penalty():
    logits = np.log([0.5, 0.3, 0.2])
    assert set(drawn(logits, EDGES, [0], temp=0.0, penalty=1.5)) == {0}  # 0.5**1.5 = 0.35
    assert set(drawn(logits, EDGES, [0], temp=0.0, penalty=2.0)) == {1}
    assert set(drawn(logits, EDGES, [0, 0], temp=0.0, penalty=1.5)) == {0}  # once, however often it occurs
    assert set(drawn(logits, EDGES, [2], temp=0.0, penalty=0.4)) == {2}  # 0.2**0.4 = 0.53


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("impossible", [-np.inf, -1e4])
@pytest.mark.parametrize(
    "rules", [{"temp": 1e-3}, {}, {"temp": 2.0}, {"top_k": 5}, {"top_p": 0.999}], ids=str
)
def test_a_character_of_probability_0_is_never_drawn(rules, impossible, dtype):
    """Neither first, last nor in the middle; 1e4 nats below the best, e**x is 0 even in float64."""
    logits = np.full(9, impossible, dtype)
    logits[[2, 3, 6]] = [0.5, 1.5, 1.25]
    ids = set(drawn(logits, [*EDGES, *np.random.default_rng(0).random(2000)], **rules))
    assert ids <= {2, 3, 6}
    if rules != {"temp": 1e-3}:
        assert ids == {2, 3, 6}


@pytest.mark.parametrize("offset", [1e4, -1e4])
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_only_differences_of_logits_count(offset, penalty):
    logits = np.array([0, 1, 2, 3], np.float64)
    uniforms = np.random.default_rng(0).random(500)
    far, near = (drawn(x, uniforms, [3], temp=0.7, penalty=penalty) for x in (logits + offset, logits))
    np.testing.assert_array_equal(far, near)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("logits", [[1e4, -1e4, 1e4, 0], [1e4] * 4, [-1e4] * 4])
@pytest.mark.parametrize("penalty", [1.0, 1e-300, 1.7e308])
def test_extreme_temperatures(logits, penalty, dtype):
    """Hot, all are alike; cold, only the most likely are left, evenly."""
    logits = np.array(logits, dtype)
    uniforms = (np.arange(1000) + 0.5) / 1000
    if penalty == 1:
        assert np.bincount(drawn(logits, uniforms, temp=1e300)).tolist() == [250] * 4
    for temp in (1e-300, 5e-324):
        best = np.bincount(drawn(logits, uniforms, temp=temp), minlength=4)
        np.testing.assert_array_equal(best > 0, logits == logits.max())
        assert best.max() - best[best > 0].min() <= 1
    everyone = [0, 1, 2, 3]
    assert set(drawn(logits, EDGES, everyone, penalty=penalty)) <= set(everyone)
    if logits.min() == logits.max():
        assert np.bincount(drawn(logits, uniforms, everyone, penalty=penalty)).tolist() == [250] * 4
    assert drawn(logits, [0.0], [0, 0], penalty=1e300, temp=0)[0] == (2 if logits[1] != logits[0] else 1)


LOGIT = st.one_of(st.sampled_from([-1e4, 0.0, 1.0, 1e4]), st.floats(-30, 30))


@given(
    st.lists(LOGIT, min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=5),
    st.fixed_dictionaries(
        {
            "penalty": st.sampled_from([1.0, 0.5, 1.2, 3.0]),
            "temp": st.sampled_from([0.1, 1.0, 5.0]),
            "top_k": st.integers(1, 12),
            "top_p": st.sampled_from([1.0, 0.05, 0.5, 0.99]),
            "min_p": st.sampled_from([0.0, 0.01, 0.3, 1.0]),
        }
    ),
)
@settings(max_examples=300)
def test_any_logits_any_rules(logits, recent, rules):
    """Random numbers spread evenly give the exact distribution, and none lies outside its support."""
    recent = [k for k in recent if k < len(logits)]
    uniforms = [*(np.arange(1000) / 1000), ALMOST_ONE]
    counts = np.bincount(drawn(logits, uniforms, recent, **rules), minlength=len(logits))
    slack = [(1, 1), (1 + 1e-9, 1 - 1e-9), (1 - 1e-9, 1 + 1e-9)]
    sharp = [
        exact(
            logits,
            recent,
            **rules | {"top_p": min(1, rules["top_p"] * a), "min_p": min(1, rules["min_p"] * b)},
        )
        for a, b in slack
    ]
    # at the very edge of top_p or min_p, rounding may decide either way
    assert any(np.abs(counts / len(uniforms) - p).max() < 0.003 and not counts[p == 0].any() for p in sharp)
