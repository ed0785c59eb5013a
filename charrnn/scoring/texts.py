"""Score texts as they arrive: as a whole, line by line or character by character."""

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

UNSEEN = math.log(CODE_POINTS - SURROGATES)  # nats of an unknown character: uniform over all


class TextScorer:
    """Scores texts with a model.  Other ranks call `follow`, which returns when this scorer is closed.

    With `stateless` or `dynamic`, the other ranks have nothing to do.
    """

    def __init__(self, checkpoint: Checkpoint, config: EvalConfig, team: Team, ranks: Ranks = ALONE):
        self.vocabulary = checkpoint.vocabulary
        self._network, self._config, self._team, self._ranks = checkpoint.network, config, team, ranks
        # the parts that are scored independently: as requested, or as in training
        self._alone_by = "line" if config.stateless else "" if config.dynamic else checkpoint.documents
        ranks.broadcast((self._network.config, self._network.vocab_size))
        ranks.broadcast_array(self._network.flat)
        self.skipped = 0  # characters so far that the model does not have
        self.notes = Notes()  # notes on the texts so far

    def compile_kernels(self) -> None:
        """Run every kernel once."""
        self._reader().read(self._ranks.broadcast(np.zeros(2 + self._config.dynamic * 100, np.uint8)))

    def _reader(self) -> Reader | DynamicReader:
        if self._config.dynamic:
            return DynamicReader(self._network, self._config.lr)
        self._ranks.broadcast(True)
        return Reader(self._network, self._team, ranks=self._ranks)

    def close(self) -> None:
        """Let the other ranks finish."""
        self._ranks.broadcast(False)

    def whole(self, path: Path) -> tuple[Metrics, int]:
        """Return a text's metrics and how many characters were skipped.

        Errors: TextError; OverflowingModelError; the same for the other methods.
        """
        tally, before = Tally(), self.skipped
        for piece in self.pieces(path, PIECE):
            tally.add(piece.predictions)
        return tally.metrics, self.skipped - before

    def lines(self, path: Path) -> Iterator[tuple[str, Metrics, int]]:
        """Yield each line as soon as it is read: its text, its metrics, its number of skipped characters.

        The text lacks the newline, but the metrics include it.
        """
        for line in in_lines(self.pieces(path)):
            metrics = Tally().add(line.predictions).metrics
            text = self.vocabulary.text_of(line.points).removesuffix("\n")
            yield text, metrics, int(np.count_nonzero(line.skipped))

    def pieces(self, path: Path, size: int = 0) -> Iterator[Piece]:
        """Yield a text in pieces as they are read; if lines are independent, pieces have whole lines.

        size: characters in each piece except the last, which makes results independent of how a text
        arrives, to the last bit; 0: any size.
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
        """Return predictions for each character or byte of a string; skipped characters have NaN."""
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
        return f"it learned too fast from the text: use {how}, or omit {field('dynamic')}"

    def _alone(self, lines: list[Ids]) -> Predictions:
        """Score each line after a newline at the start of a text, or alone if the model has no newline."""
        return Predictions.joined(score_lines(self._network, lines, self.vocabulary.newline, self._team))


def follow(ranks: Ranks, threads: int) -> None:
    """On ranks other than 0, score a part of each text that rank 0 scores, until its TextScorer is closed."""
    network = Network(*ranks.broadcast(None))  # type: ignore[misc]
    ranks.broadcast_array(network.flat)
    reader = Reader(network, team := Team(threads, ranks), ranks=ranks)
    told: Any
    while (told := ranks.broadcast(None)) is not False:
        if told is True:  # a new text starts
            reader = Reader(network, team, ranks=ranks)
        else:
            reader.read(told)
