"""Blocks of a text, as they are read, cut anew: at newlines, or to a size.

A block is its code points or bytes (N,), and which of them a vocabulary has (N,).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..array_types import Ids

Block = tuple[Ids, Ids]

NEWLINE = ord("\n")


def whole_lines(blocks: Iterator[Block]) -> Iterator[Block]:
    """Blocks that end in a newline, but for the end of the last."""
    rest: list[Block] = []
    for points, known in blocks:
        ends = np.flatnonzero(points == NEWLINE)
        if len(ends):
            cut = int(ends[-1]) + 1
            yield _joined([*rest, (points[:cut], known[:cut])])
            rest = []
            points, known = points[cut:], known[cut:]
        rest.append((points, known))
    points, known = _joined(rest)
    if len(points):
        yield points, known


def of_size(blocks: Iterator[Block], size: int) -> Iterator[Block]:
    """Blocks of `size` characters, but for the last."""
    rest: list[Block] = []
    length = 0
    for block in blocks:
        rest.append(block)
        length += len(block[0])
        while length >= size:
            points, known = _joined(rest)
            yield points[:size], known[:size]
            rest, length = [(points[size:], known[size:])], length - size
    points, known = _joined(rest)
    if len(points):
        yield points, known


def _joined(parts: list[Block]) -> Block:
    none = (np.empty(0, np.uint8), np.empty(0, bool))
    points, known = zip(none, *parts, strict=True)
    return np.concatenate(points), np.concatenate(known)
