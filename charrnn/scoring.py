"""Scoring texts as they come: whole, line by line or character by character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .checkpoint import Checkpoint
from .config import EvalConfig
from .corpus import known_blocks, name_of
from .dynamic import DynamicReader
from .errors import TextError
from .evaluation import PIECE, Reader, Score, Scores, Tally, score_lines
from .network import Network
from .parallel import Team
from .ranks import ONE, One
from .text import Ids

NEWLINE = ord("\n")


@dataclass(frozen=True)
class Piece:
    """Characters of a text and what is known of each; those that were skipped have nothing (NaN)."""

    points: Ids  # code points, or bytes for a model of bytes
    scores: Scores


class Scorer:
    """A model, and how texts are to be scored with it.  Other ranks `follow`, until it is closed.

    With `stateless` and `dynamic` there is nothing for them to do.
    """

    def __init__(self, checkpoint: Checkpoint, config: EvalConfig, team: Team, ranks: One = ONE):
        self.vocabulary = checkpoint.vocabulary
        self._network, self._config, self._team, self._ranks = checkpoint.network, config, team, ranks
        ranks.share((self._network.config, self._network.vocab_size))
        ranks.fill(self._network.flat)
        self.skipped = 0  # characters so far that the model never saw

    def compile(self) -> None:
        """Run every kernel once."""
        self._reader().read(self._ranks.share(np.zeros(2 + self._config.dynamic * 100, np.uint8)))

    def _reader(self) -> Reader | DynamicReader:
        if self._config.dynamic:
            return DynamicReader(self._network, self._config.lr)
        self._ranks.share(True)
        return Reader(self._network, self._team, ranks=self._ranks)

    def close(self) -> None:
        """No text comes any more."""
        self._ranks.share(False)

    def whole(self, path: Path) -> tuple[Score, int]:
        """A text's score, and how many characters were skipped.  Errors: TextError, as for all here."""
        tally, read, before = Tally(), 0, self.skipped
        for piece in self.pieces(path, PIECE):
            tally.add(piece.scores)
            read += len(piece.points)
        skipped = self.skipped - before
        if not tally.chars:
            known = f", {skipped} of them unknown to the model" if skipped else ""
            raise TextError(f"{name_of(path)} has {read} characters{known}", "scoring needs at least 2")
        return tally.score, skipped

    def lines(self, path: Path) -> Iterator[tuple[str, Score]]:
        """Each line without its newline, and its score, the newline's included; as soon as it is read."""
        for line in _lines(self.pieces(path)):
            tally = Tally()
            tally.add(line.scores)
            yield self.vocabulary.text_of(line.points).removesuffix("\n"), tally.score

    def pieces(self, path: Path, size: int = 0) -> Iterator[Piece]:
        """A text in pieces as they are read, which have whole lines where each line stands alone.

        size: of all but the last, for the same figures to the last bit however a text arrives; 0: any.
        """
        alone, reader = self._config.stateless, self._reader()
        blocks = known_blocks(path, self.vocabulary, self._config.encoding, self._config.unknown)
        blocks = _of_size(blocks, size) if size else blocks
        for points, known in _whole_lines(blocks) if alone else blocks:
            ids = self.vocabulary.ids_of(points[known])
            scores = Scores.unknown(len(points))
            if alone:
                cuts = np.cumsum(known)[np.flatnonzero(points == NEWLINE)]
                found = self._alone(np.split(ids, cuts))
            else:
                found = reader.read(self._ranks.share(ids))
            scores.nats[known], scores.right[known] = found
            self.skipped += int(np.count_nonzero(~known))
            yield Piece(points, scores)

    def _alone(self, lines: list[Ids]) -> Scores:
        """Each line as after a newline at the start of a text, or, if the model has none, after nothing."""
        start = None
        if "\n" in self.vocabulary:
            start = int(self.vocabulary.encode("\n")[0])
        scored = score_lines(self._network, lines, start, self._team)
        return Scores(np.concatenate([s.nats for s in scored]), np.concatenate([s.right for s in scored]))


def follow(ranks: One, threads: int) -> None:
    """On ranks other than 0: score a part of what the Scorer of rank 0 reads, until it is closed."""
    network = Network(*ranks.share(None))  # type: ignore[misc]
    ranks.fill(network.flat)
    reader = Reader(network, team := Team(threads, ranks), ranks=ranks)
    told: Any
    while (told := ranks.share(None)) is not False:
        if told is True:  # a text begins
            reader = Reader(network, team, ranks=ranks)
        else:
            reader.read(told)


def _whole_lines(blocks: Iterator[tuple[Ids, Ids]]) -> Iterator[tuple[Ids, Ids]]:
    """Blocks cut anew at newlines, but for the end of the last."""
    rest: list[tuple[Ids, Ids]] = []
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


def _of_size(blocks: Iterator[tuple[Ids, Ids]], size: int) -> Iterator[tuple[Ids, Ids]]:
    """Blocks cut anew to `size` characters, but for the last."""
    rest: list[tuple[Ids, Ids]] = []
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


def _joined(parts: list[tuple[Ids, Ids]]) -> tuple[Ids, Ids]:
    none = (np.empty(0, np.uint8), np.empty(0, bool))
    points, known = zip(none, *parts, strict=True)
    return np.concatenate(points), np.concatenate(known)


def _lines(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Pieces cut into lines."""
    rest: list[Piece] = []
    for piece in pieces:
        start = 0
        for end in np.flatnonzero(piece.points == NEWLINE) + 1:
            yield _one([*rest, _part(piece, start, int(end))])
            rest, start = [], int(end)
        rest.append(_part(piece, start, len(piece.points)))
    last = _one(rest)
    if len(last.points):
        yield last


def _part(piece: Piece, start: int, stop: int) -> Piece:
    return Piece(piece.points[start:stop], piece.scores.part(start, stop))


def _one(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    points = np.concatenate([np.empty(0, np.uint8), *(piece.points for piece in pieces)])
    nats = np.concatenate([np.empty(0), *(piece.scores.nats for piece in pieces)])
    right = np.concatenate([np.empty(0, bool), *(piece.scores.right for piece in pieces)])
    return Piece(points, Scores(nats, right))
