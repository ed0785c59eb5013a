"""Text: nothing is lost on the way to ids and back, and every error says where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.errors import TextError
from charrnn.text.streams import Split
from charrnn.text.vocabulary import Vocabulary

ANY_TEXT = st.text(st.characters())  # surrogates too
ODD = "\0\r\n\n\r\ufeff\u2028\x1a é漢\U0001f600\U0001f3fd\U0010ffff"


@given(ANY_TEXT)
@example(ODD)
@example("\ufeff")
@example("\ud800 alone")
def test_encoding_and_back(words):
    vocabulary = Vocabulary.of(words)
    ids = vocabulary.encode(words)
    assert vocabulary.decode(ids) == words
    assert ids.shape == (len(words),)
    assert vocabulary.text == "".join(sorted(set(words)))
    assert len(vocabulary) == len(set(words))


@given(st.text(), st.binary())
@example(ODD, b"\xff\xc3(")
def test_bytes_and_back(words, data):
    """What is no UTF-8 too."""
    vocabulary = Vocabulary.of_bytes()
    assert vocabulary.encode(words).tolist() == list(words.encode())
    assert vocabulary.decode(vocabulary.encode(words)) == words
    assert vocabulary.encode(vocabulary.decode(np.frombuffer(data, np.uint8))).tobytes() == data


@given(ANY_TEXT)
def test_an_id_is_the_place_among_the_sorted_characters(words):
    order = sorted(set(words))
    assert Vocabulary.of(words).encode(words).tolist() == [order.index(c) for c in words]


@pytest.mark.parametrize("size, itemsize", [(1, 1), (255, 1), (256, 1), (257, 2), (65536, 2), (65537, 4)])
def test_ids_are_as_small_as_can_be(size, itemsize):
    points = np.arange(size, dtype=np.uint32) + 0x10000
    vocabulary = Vocabulary(points)
    ids = vocabulary.encode("".join(map(chr, points)))
    assert ids.dtype.itemsize == itemsize
    np.testing.assert_array_equal(ids, np.arange(size))


@given(st.text("abc\n", min_size=1), st.integers(0), st.sampled_from("\0zé\U0001f600\uffff"))
def test_unknown_characters_are_named_with_their_place(known, place, unknown):
    place %= len(known) + 1
    words = known[:place] + unknown + known[place:]
    with pytest.raises(TextError) as caught:
        Vocabulary.of("abc\n").encode(words, "the prime")
    line = words.count("\n", 0, place) + 1
    message = str(caught.value)
    assert message.startswith("the prime has characters that the model never saw")
    assert f"{unknown!r} (U+{ord(unknown):04X}), first at character {place} (line {line})" in message


def test_many_unknown_characters_are_counted():
    with pytest.raises(TextError, match=r"'d' \(U\+0064\).*'h' \(U\+0068\) and 3 more, first at character 1"):
        Vocabulary.of("abc").encode("adefghdijk")


def test_membership():
    vocabulary = Vocabulary.of("a\U0001f600")
    assert "a" in vocabulary and "\U0001f600" in vocabulary and "b" not in vocabulary


@given(st.integers(0, 60), st.floats(0, 0.999))
def test_a_split_is_a_text_and_its_tail(length, fraction):
    ids = np.arange(length)
    tail = int(length * fraction)
    if length - tail < 2:
        with pytest.raises(TextError, match=f"the text has {length} characters, {length - tail} of them"):
            Split.of(ids, fraction)
        return
    split = Split.of(ids, fraction)
    assert split.train.tolist() == list(range(length - tail))
    assert split.val.tolist() == (list(range(length - tail, length)) if tail >= 2 else [])


@pytest.mark.parametrize(
    "length, fraction, train, val",
    [(2, 0, 2, 0), (2, 0.4, 2, 0), (10, 0.1, 9, 0), (20, 0.1, 18, 2), (1000, 0.1, 900, 100), (4, 0.5, 2, 2)],
)
def test_splits(length, fraction, train, val):
    split = Split.of(np.arange(length), fraction)
    assert (len(split.train), len(split.val)) == (train, val)


@pytest.mark.parametrize("length, fraction", [(0, 0), (1, 0), (3, 0.7), (10, 0.95)])
def test_too_little_to_train_on(length, fraction):
    with pytest.raises(TextError, match="at least 2"):
        Split.of(np.arange(length), fraction)
