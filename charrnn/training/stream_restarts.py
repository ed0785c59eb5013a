"""Reset the state of some streams to 0: a model that never starts from state 0 forgets how to."""

from __future__ import annotations

from dataclasses import dataclass

from ..text.streams import Streams
from ..text.vocabulary import Vocabulary

TURN = 64  # steps until each stream has had its turn, if there are no more streams than this


@dataclass(frozen=True)
class Restarts:
    """The streams take turns; every other step, the turn goes to one that begins a line.

    Primes usually begin a line, but few streams would by chance.
    """

    streams: Streams  # of all ranks
    newline: int | None  # its id, or None if the vocabulary lacks it

    @classmethod
    def of(cls, streams: Streams, vocabulary: Vocabulary) -> Restarts:
        return cls(streams, vocabulary.newline)

    def at(self, step: int) -> int:
        """Return the index of the stream to reset in a step; if none, an index that no stream has."""
        turn = step
        if self.newline is not None:
            turn, odd = divmod(step, 2)
            if odd:
                begin = self.streams.begin_after(step % self.streams.chunks, self.newline)
                return int(begin[turn % len(begin)]) if len(begin) else -1
        return turn % max(TURN, self.streams.batch_size)
