"""What a reader can name, told by hand and by plain loops; and units that track it are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.inspection.text_features import LEAST, correlations, features

QUOTES, DEPTH = "inside quotes", "depth of brackets"


def told(name: str, text: str) -> str:
    """A feature as a digit under each character."""
    return "".join(str(int(value)) for value in features(list(text))[name])


@pytest.mark.parametrize(
    "text, inside",
    [
        ('a "b c" d', "001111000"),
        ("a \u201cb \u201d d", "00111000"),
        ("don't, the dogs' 'b c' d", "000000000000000001111000"),
        ('"it\'s" x', "11111000"),
        ('"a\nb" c', "1111000"),
        ('6" x\n\n"y"', "000000110"),  # a quotation does not go beyond its paragraph
        ('"a\\"b" c', "11111000"),
        ("'a\nb'", "00000"),
        ('"""a\n\n"b """ c', "11111111111000"),
        ('x "open', "0011111"),  # the text ends before the quotation does
        ('# "a" b', "0000000"),
    ],
)
def test_inside_quotes(text, inside):
    assert told(QUOTES, text) == inside


@pytest.mark.parametrize(
    "text, depth",
    [
        ("a(b[c]{d})e", "01122122100"),
        ("<<>>()", "121010"),
        ("a) (b :( (c) d", "00000000011000"),
        ("(a [b) c] d", "11111000000"),
        ("if a < b -> c >= d > e", "0000000000000000000000"),
        ("<a\nb>", "00000"),
        ("(<\n>)", "11110"),
        ("(<\n<)<a>", "11110110"),
    ],
)
def test_depth_of_brackets(text, depth):
    assert told(DEPTH, text) == depth


def test_lines_words_and_comments():
    text = "ab C2\n  d  Ef\n\n# g 'h'\n/x // y#\n#if\n"
    assert told("line length so far", text) == "123450123456700123456701234567801230"
    assert told("indentation", text) == "000000122222200000000000000000000000"
    assert told("inside a comment", text) == "000000000000000111111100001111100000"
    assert told("word start", "ab C2 ef") == "10010010"
    assert told("word length so far", "ab C2 ef") == "12010012"
    assert told("capitals", "aBc D\u00c9") == "010011"


BITS = st.text(alphabet="ab (){}[]\"'\u201c\u201d\\#/A\n\t.", max_size=60)


@given(BITS)
def test_counts_are_those_of_loops(text):
    """What has no rules for pairs, character by character."""
    found = features(list(text))
    line = indent = word = 0
    leading = True
    for at, c in enumerate(text):
        first = c.isalpha() and not (at and text[at - 1].isalpha())
        line = 0 if c == "\n" else line + 1
        leading = c == "\n" or (leading and c in " \t")
        indent = 0 if c == "\n" else indent + leading
        word = word + 1 if c.isalpha() else 0
        names = ("line length so far", "indentation", "word length so far", "word start", "capitals")
        assert [found[n][at] for n in names] == [line, indent, word, first, c.isupper()]


@given(BITS)
def test_depth_never_falls_below_the_ground_and_ends_there(text):
    depth = features(list(text))[DEPTH]
    assert (depth >= 0).all()
    assert not len(depth) or depth[-1] == 0
    assert set(np.diff(depth, prepend=0)) <= {-1, 0, 1}


def test_brackets_that_match_are_counted_by_a_loop():
    rng, text, due = np.random.default_rng(0), "", ""
    while len(text) < 500 or due:
        if len(text) < 500 and rng.random() < 0.5:
            kind = ["()", "[]", "{}", "<>"][rng.integers(4)]
            text, due = text + kind[0], kind[1] + due
        else:
            text, due = text + (due[:1] or "a"), due[1:]
    depth, found = 0, features(list(text))[DEPTH]
    for at, c in enumerate(text):
        depth += (c in "([{<") - (c in ")]}>")
        assert found[at] == depth


def test_the_score_is_the_correlation_and_a_planted_unit_has_the_highest():
    rng, n = np.random.default_rng(1), 400
    depth, start = rng.integers(0, 5, n).astype(float), (rng.random(n) < 0.2).astype(float)
    units = rng.normal(3, 1, (30, n)).astype(np.float32)
    units[7] -= 2 * depth
    units[9] = 0.25  # never moves
    units[11] = start
    found = correlations(units, {"depth": depth, "start": start})
    for name, values in (("depth", depth), ("start", start)):
        plain = [0 if u == 9 else np.corrcoef(units[u].astype(float), values)[0, 1] for u in range(30)]
        np.testing.assert_allclose(found[name], plain, atol=1e-5)
    assert np.abs(found["depth"]).argmax() == 7 and found["depth"][7] < -0.9
    assert found["start"][11] == pytest.approx(1)


def test_what_hardly_ever_happens_is_left_out():
    units = np.random.default_rng(0).normal(size=(3, 100)).astype(np.float32)
    few, enough = np.zeros(100), np.zeros(100)
    few[: LEAST - 1], enough[:LEAST] = 1, 1
    assert correlations(units, {"few": few, "most": 1 - few, "never": np.zeros(100)}) == {}
    assert [*correlations(units, {"few": few, "enough": enough})] == ["enough"]
    assert correlations(units[:, :0], {"none": np.zeros(0)}) == {}
