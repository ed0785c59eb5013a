"""Scoring texts as they come: whole, line by line or character by character."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..array_types import Ids
from ..checkpoint.checkpoint import Checkpoint
from ..config import EvalConfig
from ..errors import TextError, field
from ..model.network import Network
from ..parallel.ranks import ALONE, Ranks
from ..parallel.threads import Team
from ..system.stdio import name_of
from ..text.blocks import NEWLINE, Block, ends, of_size, whole_documents
from ..text.corpus import known_blocks
from ..text.notes import Notes
from ..text.vocabulary import CODE_POINTS, SURROGATES
from .dynamic_evaluation import DynamicReader
from .metrics import Metrics, Predictions, Tally
from .pieces import Piece, in_lines
from .reader import PIECE, Reader, score_lines

UNSEEN = math.log(CODE_POINTS - SURROGATES)  # nats of a character that the model never saw, as one of all


class TextScorer:
    """A model, and how texts are to be scored with it.  Other ranks `follow`, until it is closed.

    With `stateless` and `dynamic` there is nothing for them to do.
    """

    def __init__(self, checkpoint: Checkpoint, config: EvalConfig, team: Team, ranks: Ranks = ALONE):
        self.vocabulary = checkpoint.vocabulary
        self._network, self._config, self._team, self._ranks = checkpoint.network, config, team, ranks
        # what is scored on its own: as asked for, or as the model was trained
        self._alone_by = "line" if config.stateless else "" if config.dynamic else checkpoint.documents
        ranks.broadcast((self._network.config, self._network.vocab_size))
        ranks.broadcast_array(self._network.flat)
        self.skipped = 0  # characters so far that the model never saw
        self.notes = Notes()  # of the texts so far

    def compile_kernels(self) -> None:
        """Run every kernel once."""
        self._reader().read(self._ranks.broadcast(np.zeros(2 + self._config.dynamic * 100, np.uint8)))

    def _reader(self) -> Reader | DynamicReader:
        if self._config.dynamic:
            return DynamicReader(self._network, self._config.lr)
        self._ranks.broadcast(True)
        return Reader(self._network, self._team, ranks=self._ranks)

    def close(self) -> None:
        """No text comes any more."""
        self._ranks.broadcast(False)

    def whole(self, path: Path) -> tuple[Metrics, int]:
        """A text's score, and how many characters were skipped.

        Errors: TextError; OverflowingModelError; as for all here.
        """
        tally, before = Tally(), self.skipped
        for piece in self.pieces(path, PIECE):
            tally.add(piece.predictions)
        return tally.metrics, self.skipped - before

    def lines(self, path: Path) -> Iterator[tuple[str, Metrics, int]]:
        """Each line without its newline, its score, the newline's included, and its characters skipped.

        As soon as it is read.
        """
        for line in in_lines(self.pieces(path)):
            metrics = Tally().add(line.predictions).metrics
            text = self.vocabulary.text_of(line.points).removesuffix("\n")
            yield text, metrics, int(np.count_nonzero(line.skipped))

    def pieces(self, path: Path, size: int = 0) -> Iterator[Piece]:
        """A text in pieces as they are read, which have whole lines where each line stands alone.

        size: of all but the last, for the same figures to the last bit however a text arrives; 0: any.
        """
        config, read, scored, before = self._config, 0, 0, self.skipped
        blocks = known_blocks(
            *(path, self.vocabulary, config.encoding, "error" if config.unknown == "error" else "skip"),
            *(config.encoding_errors, self.notes),
        )
        for piece in self._scored(of_size(blocks, size) if size else blocks, name_of(path)):
            read += len(piece.points)
            scored += int(np.count_nonzero(~np.isnan(piece.predictions.nats)))
            yield piece
        if not scored:
            skipped = self.skipped - before
            unknown = f", {skipped} of them unknown to the model" if skipped else ""
            raise TextError(f"{name_of(path)} has {read} characters{unknown}", "scoring needs at least 2")

    def text(self, text: str) -> Predictions:
        """Of each character of a text in memory, or byte; of those that are skipped, nothing is known."""
        if self._config.unknown == "error":
            self.vocabulary.encode(text)
        points = self.vocabulary.points_in(text)
        block = points, np.isin(points, self.vocabulary.points)
        return Predictions.joined([piece.predictions for piece in self._scored(iter([block]), "the text")])

    def _scored(self, blocks: Iterator[Block], name: str) -> Iterator[Piece]:
        alone, reader, before = self._alone_by, self._reader(), 0
        score = self._config.unknown == "score"
        for points, known in whole_documents(blocks, alone) if alone else blocks:
            ids = self.vocabulary.ids_of(points[known])
            predictions = Predictions.unknown(len(points))
            if alone:
                cuts = np.cumsum(known)[ends(points, NEWLINE, alone) - 1]
                found = self._alone(np.split(ids, cuts))
            else:
                found = reader.read(self._ranks.broadcast(ids))
            predictions.nats[known], predictions.correct[known] = found
            predictions.refuse_overflow(before, name, self._learned_too_much() if reader.learned else "")
            before += len(points)
            skipped = ~known & (not score)
            if score:
                predictions.nats[~known] = UNSEEN
            self.skipped += int(np.count_nonzero(skipped))
            yield Piece(points, predictions, skipped)

    def _learned_too_much(self) -> str:
        how = f"a lower {field('lr')} (it was {self._config.lr:g})"
        return f"it learned too fast from the text: try {how}, or without {field('dynamic')}"

    def _alone(self, lines: list[Ids]) -> Predictions:
        """Each line as after a newline at the start of a text, or, if the model has none, after nothing."""
        return Predictions.joined(score_lines(self._network, lines, self.vocabulary.newline, self._team))


def follow(ranks: Ranks, threads: int) -> None:
    """On ranks other than 0: score a part of what the TextScorer of rank 0 reads, until it is closed."""
    network = Network(*ranks.broadcast(None))  # type: ignore[misc]
    ranks.broadcast_array(network.flat)
    reader = Reader(network, team := Team(threads, ranks), ranks=ranks)
    told: Any
    while (told := ranks.broadcast(None)) is not False:
        if told is True:  # a text begins
            reader = Reader(network, team, ranks=ranks)
        else:
            reader.read(told)
