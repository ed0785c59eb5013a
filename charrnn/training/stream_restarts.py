"""Which stream starts from a zero state in which step: a model that never does forgets how to start."""

from __future__ import annotations

from dataclasses import dataclass

from ..text.streams import Streams
from ..text.vocabulary import Vocabulary

TURN = 64  # steps, in which each of so many streams has its turn


@dataclass(frozen=True)
class Restarts:
    """One stream in turn, and every other step one that begins a line.

    A prime begins a line as a rule, which by chance alone few streams would.
    """

    streams: Streams  # all
    newline: int | None  # its id, where the vocabulary has it

    @classmethod
    def of(cls, streams: Streams, vocabulary: Vocabulary) -> Restarts:
        return cls(streams, vocabulary.newline)

    def at(self, step: int) -> int:
        """The stream that starts anew in a step; a number that no stream has, if none does."""
        turn = step
        if self.newline is not None:
            turn, odd = divmod(step, 2)
            if odd:
                begin = self.streams.begin_after(step % self.streams.chunks, self.newline)
                return int(begin[turn % len(begin)]) if len(begin) else -1
        return turn % max(TURN, self.streams.batch_size)
