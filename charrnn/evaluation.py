"""How well a model predicts a text: nats for each character."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .network import Network
from .parallel import Team, cut
from .text import Ids

CHUNK = 128  # characters a call; the figures do not depend on it
STREAM = 4096  # a text is cut into streams of at least so many characters, which run side by side
WARM_UP = 512  # characters before its stream that a network reads unscored, to have the state it would carry
STREAMS = 64


@dataclass(frozen=True)
class Score:
    """A text's mean loss, over all its characters but the first, which nothing precedes."""

    loss: float  # nats per character
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


def evaluate(
    network: Network, ids: Ids, team: Team, stopped: Callable[[], bool] = lambda: False
) -> Score | None:
    """Mean nats of a text's characters, each given all before it; None if `stopped` became true.

    Cost: the forward pass.
    """
    nats = score(network, ids, team, stopped)
    return None if stopped() else Score(float(nats.mean()), nats.size)


def score(
    network: Network, ids: Ids, team: Team, stopped: Callable[[], bool] = lambda: False
) -> NDArray[np.float64]:
    """-ln p of each character after the first (len(ids) - 1,).

    A long text is cut into up to 64 streams by its length alone, so that the figures are the same for
    any number of threads. Each stream but the first starts on a state warmed up on the 512 characters
    before it, in place of the state carried through all of them.
    """
    predicted = len(ids) - 1
    streams = max(1, min(STREAMS, predicted // STREAM))
    length = -(-predicted // streams)
    nats = np.zeros((streams, length))
    network.pack(back=False)
    rows = cut(streams)

    def run(number: int) -> None:
        mine = np.arange(streams)[rows[number]]
        shard = network.shard(len(mine), min(CHUNK, length))
        before = range(-WARM_UP if streams > 1 else 0, 0, CHUNK)
        for offset in [*before, *range(0, length, CHUNK)]:
            if stopped():
                return
            if offset == 0 and number == 0:
                shard.rows_of_state[:, :, 0] = 0  # nothing precedes the first stream
            width = min(CHUNK, (length if offset >= 0 else 0) - offset)
            at = mine[:, None] * length + np.arange(offset, offset + width)
            at = np.clip(at, 0, predicted - 1)  # beyond the ends: read, but not counted
            got = shard.score(ids[at], ids[at + 1])
            if offset >= 0:
                nats[rows[number], offset : offset + width] = got

    team.each(run, len(rows))
    return nats.reshape(-1)[:predicted]
