"""How well a model predicts a text: nats for each character."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .network import Network, Shard
from .parallel import Team, cut
from .ranks import ONE, One
from .text import Ids

CHUNK = 128  # characters a call; the figures do not depend on it
STREAM = 4096  # a text is cut into streams of at least so many characters, which run side by side
WARM_UP = 512  # characters before its stream that a network reads unscored, to have the state it would carry
STREAMS = 64
PIECE = 1 << 20  # characters scored at a time: what is known of each takes 9 bytes


@dataclass(frozen=True)
class Score:
    """How well the characters of a text were predicted, all but the first, which nothing precedes."""

    loss: float  # nats per character
    accuracy: float  # share of characters that were the likeliest
    chars: int

    @property
    def bpc(self) -> float:
        return self.loss / math.log(2)

    @property
    def perplexity(self) -> float:
        return perplexity(self.loss)


def perplexity(loss: float) -> float:
    """e**loss, the number of equally likely characters that would be as hard to guess."""
    return math.exp(loss) if loss < 700 else math.inf


class Scores(NamedTuple):
    """What is known of each character of a text (N,)."""

    nats: NDArray[np.float64]  # -ln p; NaN for the first of a text, which nothing precedes
    right: NDArray[np.bool_]  # whether it was the likeliest, the one of lowest id among equals

    @classmethod
    def unknown(cls, size: int) -> Scores:
        return cls(np.full(size, np.nan), np.zeros(size, bool))

    def part(self, start: int, stop: int) -> Scores:
        return Scores(self.nats[start:stop], self.right[start:stop])


class Tally:
    """A score that grows by the scores of pieces."""

    def __init__(self) -> None:
        self.nats, self.right, self.chars = 0.0, 0, 0

    def add(self, scores: Scores) -> None:
        known = ~np.isnan(scores.nats)
        self.nats += float(scores.nats[known].sum())
        self.right += int(np.count_nonzero(scores.right))
        self.chars += int(np.count_nonzero(known))

    @property
    def score(self) -> Score:
        """NaN for a text without two characters."""
        chars = self.chars or math.nan
        return Score(self.nats / chars, self.right / chars, self.chars)


def evaluate(
    network: Network, ids: Ids, team: Team, stopped: Callable[[], bool] = lambda: False, ranks: One = ONE
) -> Score | None:
    """The score of a text of any length, which rank 0 has; None if `stopped` became true on any rank.

    Cost: the forward pass.
    """
    reader, tally = Reader(network, team, stopped, ranks), Tally()
    for start in range(0, ranks.share(len(ids)), PIECE):
        tally.add(reader.read(ranks.share(ids[start : start + PIECE])))
        if ranks.highest(stopped()):
            return None
    return tally.score


def score(network: Network, ids: Ids, team: Team) -> NDArray[np.float64]:
    """-ln p of each character after the first (len(ids) - 1,)."""
    return Reader(network, team).read(ids).nats[1:]


class Reader:
    """A text that comes piece by piece, each character scored given all before it.

    A long piece is cut into up to 64 streams by its length alone, so that the figures are the same for
    any number of threads and of ranks, which all read the same pieces and answer the same.
    Each stream but the first starts on a state warmed up on the 512 characters (and
    the window of attention) before it, in place of the state carried through all of them; the mean over
    Shakespeare's last tenth differs by 3e-9 from that of one stream, a single character's by 4e-5 at most.
    """

    def __init__(
        self,
        network: Network,
        team: Team,
        stopped: Callable[[], bool] = lambda: False,
        ranks: One = ONE,
    ):
        network.pack(back=False)
        self._network, self._team, self._stopped, self._ranks = network, team, stopped, ranks
        self._warm_up = WARM_UP + network.config.attention
        self._carried = network.shard(1, CHUNK)
        self._before: Ids = np.empty(0, np.uint8)  # the last characters, _warm_up + 1 of them at most
        self._behind = False  # whether _carried has yet to read them

    def read(self, ids: Ids) -> Scores:
        """The scores of the next characters (N,)."""
        text = np.concatenate([self._before, ids])
        scores = Scores.unknown(len(text))
        first = max(1, len(self._before))  # to be scored
        streams = max(1, min(STREAMS, (len(text) - first) * WARM_UP // (STREAM * self._warm_up)))
        length = -(-(len(text) - first) // streams)
        stops = np.minimum(first + np.arange(1, streams + 1) * length, len(text))
        starts = np.minimum(first + np.arange(streams) * length, stops)
        if len(text) > first:
            if self._behind:
                self._catch_up()
            begins = np.where(starts > first, starts - self._warm_up, first)
            self._side_by_side(text, begins, starts, stops, scores)
        self._behind = self._behind or streams > 1
        self._before = text[-self._warm_up - 1 :]
        return scores.part(len(text) - len(ids), len(text))

    def _catch_up(self) -> None:
        self._carried.carried = 0
        ids, last = self._before, np.array([len(self._before)])
        _run(self._carried, ids, np.array([1]), last, last, Scores.unknown(len(ids)), self._stopped)
        self._behind = False

    def _side_by_side(self, text: Ids, begins: Ids, starts: Ids, stops: Ids, scores: Scores) -> None:
        rows = cut(len(starts))
        shards = self._ranks.part(len(rows))

        def run(place: int) -> None:
            number = shards[place]
            mine = rows[number]
            shard = self._carried if len(starts) == 1 else self._network.shard(mine.stop - mine.start, CHUNK)
            if number == 0:
                shard.carry(slice(1), self._carried.carried)
            _run(shard, text, begins[mine], starts[mine], stops[mine], scores, self._stopped)

        self._team.each(run, len(shards))
        edges = [int(starts[row.start]) for row in rows] + [int(stops[-1])]
        for known in scores:
            self._ranks.gather(known, [edges[shard] for shard in self._ranks.bounds(len(rows))])


def score_lines(network: Network, lines: Sequence[Ids], start: int | None, team: Team) -> list[Scores]:
    """The scores of texts that know nothing of each other, each from a state of zero.

    start: the character that each is read after, usually that of a newline; None: nothing, and the
    first of each text is not scored.  Cost: the forward pass, for lines of similar length side by side.
    """
    network.pack(back=False)
    order = sorted(range(len(lines)), key=lambda i: len(lines[i]))
    head = np.array([] if start is None else [start], np.int64)
    texts = [np.concatenate([head, lines[i]]).astype(np.int64) for i in order]
    stops = np.cumsum([len(text) for text in texts])
    begins = stops - [len(text) - 1 for text in texts]
    text = np.concatenate([*texts, np.empty(0, np.int64)])
    scores, rows = Scores.unknown(len(text)), cut(len(texts))

    def run(number: int) -> None:
        mine = rows[number]
        shard = network.shard(mine.stop - mine.start, CHUNK)
        _run(shard, text, begins[mine], begins[mine], stops[mine], scores, lambda: False)

    team.each(run, len(rows))
    found: list[Scores] = [scores] * len(lines)
    for i, stop in zip(order, stops, strict=True):
        found[i] = scores.part(stop - len(lines[i]), stop)
    return found


def _run(
    shard: Shard, text: Ids, begins: Ids, starts: Ids, stops: Ids, scores: Scores, stopped: Callable[[], bool]
) -> None:
    """Sequences side by side: row r predicts the characters begins[r] .. stops[r] - 1 of `text`.

    Scores from starts[r] on are kept; a row that has ended goes on with its last character, for nothing.
    """
    last = (stops - 1)[:, None]
    for offset in range(0, int((stops - begins).max()), CHUNK):
        if stopped():
            return
        width = min(CHUNK, int((stops - begins).max()) - offset)
        at = begins[:, None] + np.arange(offset, offset + width)
        kept = (at >= starts[:, None]) & (at <= last)
        at = np.minimum(at, last)
        scores.nats[at[kept]] = shard.score(text[at - 1], text[at])[kept]
        scores.right[at[kept]] = shard.right(width)[kept]
