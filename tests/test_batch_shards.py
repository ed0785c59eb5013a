"""A minibatch is cut by its size alone, so that one of 16 too is two cores' work."""

from __future__ import annotations

import pytest

from charrnn.parallel.batch_shards import cut


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [
        (1, [1]),
        (4, [4]),
        (5, [4, 1]),
        (8, [4, 4]),
        (9, [5, 4]),
        (16, [8, 8]),
        (20, [10, 10]),
        (31, [16, 15]),
        (32, [16, 16]),
        (40, [16, 16, 8]),
    ],
)
def test_shards_of_sixteen_or_two_halves(batch, sizes):
    assert [rows.stop - rows.start for rows in cut(batch)] == sizes


@pytest.mark.parametrize("batch", range(1, 100))
def test_every_sequence_is_in_one_shard(batch):
    assert [row for rows in cut(batch) for row in range(rows.start, rows.stop)] == [*range(batch)]
