"""Regroup the blocks of a text that is read in parts: to end with documents, or to a fixed size.

A block is a pair: code points or bytes (N,), and a mask (N,) of those that a vocabulary has.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..array_types import Ids

Block = tuple[Ids, Ids]

NEWLINE = ord("\n")


def whole_documents(blocks: Iterator[Block], kind: str) -> Iterator[Block]:
    """Yield blocks that end with a document, except perhaps the last.  kind: one of config.DOCUMENTS."""
    rest: list[Block] = []
    for points, known in blocks:
        if kind == "blank":  # whose end may be split between two blocks
            points, known = _joined([*rest, (points, known)])
            rest = []
        cuts = ends(points, NEWLINE, kind)
        if kind == "blank":
            cuts = cuts[cuts < len(points)]  # another blank line may follow
        if len(cuts):
            cut = int(cuts[-1])
            yield _joined([*rest, (points[:cut], known[:cut])])
            rest = []
            points, known = points[cut:], known[cut:]
        rest.append((points, known))
    points, known = _joined(rest)
    if len(points):
        yield points, known


def ends(text: Ids, newline: int, kind: str) -> Ids:
    """Return where documents end: the index after the last character of each, including its line ends.

    text: code points or ids (N,), where `newline` stands for a line end.  kind: one of config.DOCUMENTS.
    """
    line = text == newline
    if kind == "line":
        return np.flatnonzero(line) + 1
    before, after = np.append(False, line[:-1]), np.append(line[1:], False)
    return np.flatnonzero(line & before & ~after) + 1


def of_size(blocks: Iterator[Block], size: int) -> Iterator[Block]:
    """Yield blocks of `size` characters; the last may be shorter."""
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
