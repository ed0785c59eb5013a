"""The chunks that training reads: contiguous, shifted by one, and complete."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.text.streams import Streams

LENGTHS, SIZES = st.integers(2, 400), st.integers(1, 40)


@given(LENGTHS, SIZES, SIZES)
@settings(max_examples=300)
def test_an_epoch(length, batch_size, seq_len):
    """Of a text in which every character is its own position."""
    streams = Streams.of(np.arange(length), batch_size, seq_len)
    chunks = list(streams)
    assert len(chunks) == streams.chunks
    for inputs, targets in chunks:
        np.testing.assert_array_equal(targets, inputs + 1)
        assert inputs.shape == targets.shape
        assert inputs.shape[0] == streams.batch_size
    widths = [inputs.shape[1] for inputs, _ in chunks]
    assert widths[:-1] == [seq_len] * (len(chunks) - 1)
    assert 1 <= widths[-1] <= seq_len

    whole = np.hstack([inputs for inputs, _ in chunks])
    np.testing.assert_array_equal(np.diff(whole, axis=1), 1)  # each stream is contiguous text
    read = whole.reshape(-1)
    np.testing.assert_array_equal(read, np.arange(read.size))  # once each, stream after stream
    with_successor = length - 1
    assert with_successor - streams.batch_size < read.size <= with_successor


@given(LENGTHS, SIZES, SIZES)
def test_the_number_of_streams(length, batch_size, seq_len):
    """As many as asked for, or fewer: each at least a chunk long, and at least one."""
    streams = Streams.of(np.arange(length), batch_size, seq_len)
    assert 1 <= streams.batch_size <= batch_size
    if streams.batch_size > 1:
        assert streams.length >= seq_len
    if streams.batch_size < batch_size:  # one more would be too many
        assert (length - 1) // (streams.batch_size + 1) < seq_len


@pytest.mark.parametrize(
    "length, batch_size, seq_len, shape, chunks",
    [
        (2, 64, 64, (1, 1), 1),
        (65, 64, 64, (1, 64), 1),
        (66, 64, 64, (1, 64), 2),
        (129, 64, 64, (2, 64), 1),
        (1001, 10, 25, (10, 25), 4),
        (1011, 10, 25, (10, 25), 5),
    ],
)
def test_shapes(length, batch_size, seq_len, shape, chunks):
    streams = Streams.of(np.arange(length), batch_size, seq_len)
    assert streams.chunk(0)[0].shape == shape
    assert streams.chunks == chunks


def test_chunks_are_views_of_the_text():
    """A corpus is not copied for each step."""
    ids = np.arange(1000)
    for part in Streams.of(ids, 7, 10).chunk(3):
        assert np.shares_memory(part, ids)
