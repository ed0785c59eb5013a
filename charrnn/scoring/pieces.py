"""Pieces of a text with predictions for each character, and how to cut them into lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..array_types import Ids
from ..text.blocks import NEWLINE
from .metrics import Predictions


@dataclass(frozen=True)
class Piece:
    """Characters of a text and the predictions for each; skipped characters have NaN."""

    points: Ids  # code points, or bytes for a byte model
    predictions: Predictions
    skipped: NDArray[np.bool_]  # whether each was skipped

    def part(self, start: int, stop: int) -> Piece:
        return Piece(self.points[start:stop], self.predictions.part(start, stop), self.skipped[start:stop])


def in_lines(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield the pieces cut into lines."""
    rest: list[Piece] = []
    for piece in pieces:
        start = 0
        for end in np.flatnonzero(piece.points == NEWLINE) + 1:
            yield _joined([*rest, piece.part(start, int(end))])
            rest, start = [], int(end)
        rest.append(piece.part(start, len(piece.points)))
    last = _joined(rest)
    if len(last.points):
        yield last


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    points = np.concatenate([np.empty(0, np.uint8), *(piece.points for piece in pieces)])
    nats = np.concatenate([np.empty(0), *(piece.predictions.nats for piece in pieces)])
    correct = np.concatenate([np.empty(0, bool), *(piece.predictions.correct for piece in pieces)])
    skipped = np.concatenate([np.empty(0, bool), *(piece.skipped for piece in pieces)])
    return Piece(points, Predictions(nats, correct), skipped)
