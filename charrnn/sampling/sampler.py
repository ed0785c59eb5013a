"""Drawing text from a model, as a generator of characters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..array_types import Array, Ids
from ..checkpoint.checkpoint import Checkpoint
from ..config import SampleConfig
from ..errors import OverflowingModelError, field
from ..kernels.sample_character import Rules, generate
from ..model.network import Network
from ..model.shard import Shard
from ..parallel.batch_shards import cut
from ..parallel.threads import Team
from .stop_texts import StopBuffer, searchable

BLOCK = 256  # characters of a sample drawn in one call, at most
FAST, SLOW = 0.02, 0.04  # seconds of a block below which the next is larger, and above which smaller
PRIME_CHUNK = 128
RECENT = 64  # characters that a repeat penalty looks back on


def sample(checkpoint: Checkpoint, config: SampleConfig) -> Iterator[str]:
    """Characters in blocks as they are drawn, in constant memory; the prime is not among them.

    Errors: see `Sampler`.
    """
    return (block.texts[0] for block in Sampler(checkpoint, config))


class Block(NamedTuple):
    """What each sample grew by; one that has ended grows no more."""

    texts: list[str]
    logprobs: list[list[float]]  # the model's own ln p of each character (of each byte, at level byte)
    ended: list[bool]


class Sampler:
    """`config.num` samples of a model, drawn side by side; iterating draws them, each time the same.

    Sample i has its own random numbers, and is the same in any company, on any number of threads and in
    blocks of any size. Without a prime a model starts as after a newline, or where its text had none,
    after a character drawn evenly from its vocabulary.
    """

    def __init__(self, checkpoint: Checkpoint, config: SampleConfig, logprobs: bool = False):
        """logprobs: whether blocks are to have them.

        Errors: TextError for a prime, or a stop, with characters that the model never saw.
        """
        self.checkpoint, self.config = checkpoint, config
        self.network, self.vocabulary = checkpoint.network, checkpoint.vocabulary
        self._logprobs = logprobs
        self._ids = self.vocabulary.encode(config.prime, "the prime", config.unknown)
        self.prime = self.vocabulary.decode(self._ids)  # as it is read
        self.skipped = len(config.prime) - len(self.prime)  # of its characters
        self.note = ""  # of iterating, for the user
        self.stops: list[str] = []  # those that can occur, `searchable`
        self.dropped: list[str] = []  # those that cannot
        for stop in config.stop:
            ids = self.vocabulary.encode(
                stop, f"{field('stop')} {stop!r}, which cannot occur,", config.unknown
            )
            if self.vocabulary.decode(ids) == stop:
                self.stops.append(searchable(ids))
            else:
                self.dropped.append(stop)

    def compile_kernels(self) -> None:
        """Run every kernel once."""
        with suppress(OverflowingModelError):  # told when it is drawn from
            list(Sampler(self.checkpoint, SampleConfig(length=1, prime=self.prime[:2])))

    def __iter__(self) -> Iterator[Block]:
        config, size, done = self.config, 1, 0
        buffers = [StopBuffer(self.vocabulary, self.stops) for _ in range(config.num)]
        shards, cuts = self._start(), cut(config.num)
        team = Team(config.threads, most=len(cuts))
        self.note = team.note

        def draw(number: int) -> None:
            if not all(buffer.ended for buffer in buffers[cuts[number]]):
                shards[number].draw(size)

        try:
            while not all(buffer.ended for buffer in buffers):
                size = min(size, config.length - done) if config.length else size
                begun = time.monotonic()
                team.each(draw, len(shards))
                took, done = time.monotonic() - begun, done + size
                rows = [row for shard in shards for row in zip(shard.drawn, shard.logprobs, strict=True)]
                last = done == config.length
                sound = [_sound(ids) for ids, _ in rows]
                shown = [
                    buffer.push(ids[:n], logprobs[:n], last and n == size)
                    for buffer, (ids, logprobs), n in zip(buffers, rows, sound, strict=True)
                ]
                ended = [buffer.ended for buffer in buffers]
                yield Block([text for text, _ in shown], [logprobs for _, logprobs in shown], ended)
                for n, over in zip(sound, ended, strict=True):
                    if n < size and not over:
                        where = f"character {done - size + n + 1} of a sample"
                        raise OverflowingModelError(where, "what it expects")
                size = next_size(size, took)
        finally:
            team.close()

    def _start(self) -> list[SampleShard]:
        """All samples, with the prime read but for its last character, which is their next input."""
        self.network.pack(back=False)
        prime, newline = self._ids, self.vocabulary.newline
        if not len(prime) and newline is not None:
            prime = np.array([newline], prime.dtype)
        state = self._read(prime[:-1])
        rngs = [np.random.default_rng([self.config.seed, i]) for i in range(self.config.num)]
        read = [prime[-RECENT:] if len(prime) else rng.integers(len(self.vocabulary), size=1) for rng in rngs]
        shards = []
        for mine in cut(self.config.num):
            rows = SampleShard(self.network, self.config, rngs[mine], self._logprobs)
            rows.start(read[mine], state)
            shards.append(rows)
        return shards

    def _read(self, ids: Ids) -> Array:
        """What is carried (1, Layout.carried_size) after `ids`."""
        reader = Shard(self.network, 1, PRIME_CHUNK)
        reader.read(ids)
        return reader.carried


def _sound(ids: Ids) -> int:
    """How many were drawn before the model overflowed, if it did."""
    over = ids < 0
    return int(over.argmax()) if over.any() else len(ids)


def next_size(size: int, took: float) -> int:
    """Characters of the block after one of `size` that took so many seconds: the text is shown in time."""
    if took < FAST:
        return min(BLOCK, 2 * size)
    return max(1, size // 2) if took > SLOW else size


class SampleShard:
    """Samples that run as one shard; `drawn` and `logprobs` (B, steps) are what `draw` drew last."""

    def __init__(
        self,
        network: Network,
        config: SampleConfig,
        rngs: Sequence[np.random.Generator],
        logprobs: bool = False,
    ):
        self._shard, self._rngs, self._wanted = Shard(network, len(rngs), 1), rngs, logprobs
        self._scratch = np.zeros(network.vocab_size)
        self._recent = np.zeros((len(rngs), RECENT), np.int32)
        top_k = min(config.top_k, network.vocab_size) or network.vocab_size
        self._rules = Rules(
            float(config.repeat_penalty), float(config.temp), top_k, float(config.top_p), float(config.min_p)
        )

    def start(self, read: Sequence[Ids], state: Array) -> None:
        """Go on from the last, at most RECENT, ids that each sample read, and the state before the last."""
        self._shard.carried = state
        self._shard.work(1).ids[...] = [ids[-1] for ids in read]
        for recent, ids in zip(self._recent, read, strict=True):
            recent[...] = np.pad(ids, (RECENT - len(ids), 0), "edge")  # more of the first changes nothing

    def draw(self, steps: int) -> Ids:
        """The next ids (B, steps)."""
        uniforms = np.array([rng.random(steps) for rng in self._rngs])
        self.drawn: Ids = np.zeros(uniforms.shape, np.int32)
        self.logprobs: NDArray[np.float64] = np.zeros((len(uniforms), steps if self._wanted else 0))
        network, work = self._shard.network, self._shard.work(1)
        model = (network.cell, network.weights, network.panels, work)
        generate(*model, self._rules, self._recent, uniforms, self._scratch, self.drawn, self.logprobs)
        return self.drawn
