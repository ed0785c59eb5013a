"""Read a text with a model, and record how well it predicted each character."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..array_types import Ids
from ..model.network import Network
from ..model.shard import Shard
from ..parallel.batch_shards import cut
from ..parallel.ranks import ALONE, Ranks
from ..parallel.threads import Team
from ..text.blocks import ends
from .metrics import Metrics, Predictions, Tally

CHUNK = 128  # characters per call; results do not depend on it
STREAM = 4096  # least characters in each of the streams that a text is cut into, which run in parallel
WARM_UP = 512  # characters before a stream that a network reads unscored, to build up its state
STREAMS = 64
ALONE_AT_ONCE = 4096  # texts to score together; texts of similar length share a shard
PIECE = 1 << 20  # characters to score at a time; predictions take 9 bytes each


def evaluate(
    network: Network, ids: Ids, team: Team, stopped: Callable[[], bool] = lambda: False, ranks: Ranks = ALONE
) -> Metrics | None:
    """Return the metrics of rank 0's text, of any length; None if `stopped` became true on any rank.

    The loss is inf if the model overflows.
    Cost: the forward pass.
    """
    reader, tally = Reader(network, team, stopped, ranks), Tally()
    for start in range(0, ranks.broadcast(len(ids)), PIECE):
        tally.add(reader.read(ranks.broadcast(ids[start : start + PIECE])))
        if ranks.allreduce_max(stopped()):
            return None
    return tally.metrics


class Reader:
    """Scores a text that arrives in pieces; each character is predicted from all before it.

    A long piece is cut into up to 64 streams. The cut depends only on its length, so the results are the same
    for any number of threads and ranks. All ranks read the same pieces and return the same predictions.
    Each stream except the first starts from a state warmed up on the 512 characters (plus the attention
    window) before it, instead of the state carried through the whole text. For the last tenth of Shakespeare,
    the mean differs from that of a single stream by 3e-9, and single characters by at most 4e-5.
    """

    learned = False  # the weights are the model's own

    def __init__(
        self,
        network: Network,
        team: Team,
        stopped: Callable[[], bool] = lambda: False,
        ranks: Ranks = ALONE,
    ):
        network.pack(back=False)
        self._network, self._team, self._stopped, self._ranks = network, team, stopped, ranks
        self._warm_up = WARM_UP + network.config.attention
        self._carried = Shard(network, 1, CHUNK)
        self._before: Ids = np.empty(0, np.uint8)  # the last characters, at most _warm_up + 1
        self._behind = False  # whether _carried has yet to read them

    def read(self, ids: Ids) -> Predictions:
        """Score the next characters (N,)."""
        text = np.concatenate([self._before, ids])
        predictions = Predictions.unknown(len(text))
        first = max(1, len(self._before))  # first character to score
        streams = max(1, min(STREAMS, (len(text) - first) * WARM_UP // (STREAM * self._warm_up)))
        length = -(-(len(text) - first) // streams)
        stops = np.minimum(first + np.arange(1, streams + 1) * length, len(text))
        starts = np.minimum(first + np.arange(streams) * length, stops)
        if len(text) > first:
            if self._behind:
                self._catch_up()
            begins = np.where(starts > first, starts - self._warm_up, first)
            self._side_by_side(text, begins, starts, stops, predictions)
        self._behind = self._behind or streams > 1
        self._before = text[-self._warm_up - 1 :]
        return predictions.part(len(text) - len(ids), len(text))

    def _catch_up(self) -> None:
        self._carried.carried = 0
        self._carried.read(self._before[:-1])
        self._behind = False

    def _side_by_side(
        self, text: Ids, begins: Ids, starts: Ids, stops: Ids, predictions: Predictions
    ) -> None:
        rows = cut(len(starts))
        shards = self._ranks.part(len(rows))

        def run(place: int) -> None:
            number = shards[place]
            mine = rows[number]
            shard = self._carried if len(starts) == 1 else Shard(self._network, mine.stop - mine.start, CHUNK)
            if number == 0:
                shard.carry(slice(1), self._carried.carried)
            _run(shard, text, begins[mine], starts[mine], stops[mine], predictions, self._stopped)

        self._team.each(run, len(shards))
        edges = [int(starts[row.start]) for row in rows] + [int(stops[-1])]
        for known in predictions:
            self._ranks.allgather_array(known, [edges[shard] for shard in self._ranks.bounds(len(rows))])


def score_lines(network: Network, lines: Sequence[Ids], start: int | None, team: Team) -> list[Predictions]:
    """Score independent texts, each from a state of zero.

    start: the character to read before each text, usually a newline; None: no character, and the first of
    each text is not scored.  Cost: the forward pass; lines of similar length run in parallel.
    """
    network.pack(back=False)
    order = sorted(range(len(lines)), key=lambda i: len(lines[i]))
    head = np.array([] if start is None else [start], np.int64)
    texts = [np.concatenate([head, lines[i]]).astype(np.int64) for i in order]
    stops = np.cumsum([len(text) for text in texts])
    begins = stops - [len(text) - 1 for text in texts]
    text = np.concatenate([*texts, np.empty(0, np.int64)])
    predictions, rows = Predictions.unknown(len(text)), cut(len(texts))

    def run(number: int) -> None:
        mine = rows[number]
        shard = Shard(network, mine.stop - mine.start, CHUNK)
        _run(shard, text, begins[mine], begins[mine], stops[mine], predictions, lambda: False)

    team.each(run, len(rows))
    found: list[Predictions] = [predictions] * len(lines)
    for i, stop in zip(order, stops, strict=True):
        found[i] = predictions.part(stop - len(lines[i]), stop)
    return found


def evaluate_documents(
    network: Network,
    ids: Ids,
    newline: int,
    kind: str,
    team: Team,
    stopped: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> Metrics | None:
    """Do the same as `evaluate` for independent documents, each read after a newline, on rank 0 alone.

    kind: one of config.DOCUMENTS.
    """
    tally, over = Tally(), False
    texts = [] if ranks.rank else np.split(ids, ends(ids, newline, kind))
    for first in range(0, len(texts), ALONE_AT_ONCE):
        for predictions in score_lines(network, texts[first : first + ALONE_AT_ONCE], newline, team):
            tally.add(predictions)
        if over := stopped():
            break
    metrics: Metrics | None = ranks.broadcast(None if over else tally.metrics)
    return metrics


def _run(
    shard: Shard,
    text: Ids,
    begins: Ids,
    starts: Ids,
    stops: Ids,
    predictions: Predictions,
    stopped: Callable[[], bool],
) -> None:
    """Run sequences in parallel: row r predicts the characters begins[r] .. stops[r] - 1 of `text`.

    Predictions from starts[r] on are kept. A row that has ended repeats its last character, without effect.
    """
    last = (stops - 1)[:, None]
    for offset in range(0, int((stops - begins).max()), CHUNK):
        if stopped():
            return
        width = min(CHUNK, int((stops - begins).max()) - offset)
        at = begins[:, None] + np.arange(offset, offset + width)
        kept = (at >= starts[:, None]) & (at <= last)
        at = np.minimum(at, last)
        nats = shard.score(text[at - 1], text[at])
        predictions.set(at[kept], nats[kept], shard.correct(width)[kept])
