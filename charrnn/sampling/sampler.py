"""Sample text from a model, as a generator of blocks of characters."""

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

BLOCK = 256  # most characters per sample in one call
FAST, SLOW = 0.02, 0.04  # seconds of a block: below, the next is larger; above, smaller
PRIME_CHUNK = 128
ENDS = {"line": ("\n",), "blank": ("\n\n",)}  # how a document ends, and a sample of one
RECENT = 64  # recent characters that a repeat penalty considers


def sample(checkpoint: Checkpoint, config: SampleConfig) -> Iterator[str]:
    """Yield blocks of characters as they are sampled, without the prime, in constant memory.

    Errors: see `Sampler`.
    """
    return (block.texts[0] for block in Sampler(checkpoint, config))


def following(checkpoint: Checkpoint, text: str) -> NDArray[np.float64]:
    """Return the probability that each character of the vocabulary follows a text (V,).

    Errors: TextError for characters that the model never saw; OverflowingModelError.
    """
    vocabulary, network = checkpoint.vocabulary, checkpoint.network
    ids = vocabulary.encode(text).astype(np.int64)
    if not len(ids) or checkpoint.documents:
        ids = np.concatenate([np.array([vocabulary.newline or 0]), ids])
    network.pack(back=False)
    shard = Shard(network, 1, PRIME_CHUNK)
    shard.read(ids[:-1])
    last = ids[None, -1:]
    shard.score(last, last)
    found: NDArray[np.float64] = shard.work(1).logits[0, 0].astype(np.float64)  # probabilities, after `score`
    if not np.isfinite(found).all():
        raise OverflowingModelError("the end of the text", "its prediction")
    found /= found.sum()
    return found


class Block(NamedTuple):
    """The next characters of each sample; empty for samples that have ended."""

    texts: list[str]
    logprobs: list[list[float]]  # the model's own ln p of each character (of each byte, at level byte)
    ended: list[bool]


class Sampler:
    """Samples `config.num` texts for each prime in parallel; every iteration gives the same texts.

    Sample i of a prime has its own random numbers. It does not depend on other samples, the number of threads
    or the size of blocks. Without a prime, a sample starts as after a newline or, if the model has none,
    after a random character of the vocabulary. A model of documents samples one document at most.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: SampleConfig,
        logprobs: bool = False,
        primes: Sequence[str] | None = None,
        first: int = 0,
    ):
        """logprobs: whether blocks contain them.  primes: replace config.prime.

        first: the number of the first sample of each prime.
        Errors: TextError for a prime or a stop text with characters that the model does not have.
        """
        self.checkpoint, self.config = checkpoint, config
        self.network, self.vocabulary = checkpoint.network, checkpoint.vocabulary
        self._logprobs, self._first = logprobs, first
        given = [config.prime] if primes is None else primes
        names = ["the prime"] if primes is None else [f"the prime {prime!r}" for prime in primes]
        self._ids = [
            self.vocabulary.encode(prime, name, config.unknown)
            for prime, name in zip(given, names, strict=True)
        ]
        self.primes = [self.vocabulary.decode(ids) for ids in self._ids]  # as the model reads them
        self.skipped = sum(map(len, given)) - sum(map(len, self.primes))  # characters skipped in the primes
        self.note = ""  # about the iteration, for the user
        stops = [*config.stop, *ENDS.get(checkpoint.documents, ())]
        self.stops: list[str] = []  # stop texts that can occur, `searchable`
        self.dropped: list[str] = []  # stop texts that cannot occur
        for stop in stops:
            ids = self.vocabulary.encode(
                stop, f"{field('stop')} {stop!r}, which cannot occur,", config.unknown
            )
            if self.vocabulary.decode(ids) == stop:
                self.stops.append(searchable(ids))
            else:
                self.dropped.append(stop)

    def compile_kernels(self) -> None:
        """Run every kernel once."""
        prime = next(filter(None, self.primes), "")[:2]
        with suppress(OverflowingModelError):  # reported when sampling
            list(Sampler(self.checkpoint, SampleConfig(length=1, prime=prime)))

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks; their rows are all samples of the first prime, then of the second, and so on."""
        config, size, done = self.config, 1, 0
        count = len(self._ids) * config.num
        buffers = [StopBuffer(self.vocabulary, self.stops) for _ in range(count)]
        cuts = cut(count)
        team = Team(config.threads, most=len(cuts))
        self.note = team.note

        def draw(number: int) -> None:
            if not all(buffer.ended for buffer in buffers[cuts[number]]):
                shards[number].draw(size)

        try:
            shards = self._start(team)
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
                        raise OverflowingModelError(where, "its prediction")
                size = next_size(size, took)
        finally:
            team.close()

    def _start(self, team: Team) -> list[SampleShard]:
        """Return shards of all samples, primes read except the last characters, which are the next inputs."""
        self.network.pack(back=False)
        num, newline = self.config.num, self.vocabulary.newline
        empty: Ids = np.array([] if newline is None else [newline], np.int64)
        primes = [ids if len(ids) else empty for ids in self._ids]
        if self.checkpoint.documents:  # in training, each followed a line end
            primes = [np.concatenate([empty, ids]) for ids in self._ids]
        states = np.repeat(self._read([prime[:-1] for prime in primes], team), num, axis=0)
        rngs = [
            np.random.default_rng([self.config.seed, self._first + i]) for _ in primes for i in range(num)
        ]
        read = [
            prime[-RECENT:] if len(prime) else rng.integers(len(self.vocabulary), size=1)
            for prime, rng in zip([prime for prime in primes for _ in range(num)], rngs, strict=True)
        ]
        shards = []
        for mine in cut(len(rngs)):
            rows = SampleShard(self.network, self.config, rngs[mine], self._logprobs)
            rows.start(read[mine], states[mine])
            shards.append(rows)
        return shards

    def _read(self, texts: Sequence[Ids], team: Team) -> Array:
        """Read texts in parallel, and return what each carries at its end (N, Layout.carried_size)."""
        states = np.zeros((len(texts), self.network.layout.carried_size), self.network.flat.dtype)
        order = np.argsort([len(text) for text in texts], kind="stable")
        cuts = cut(len(texts))

        def read(number: int) -> None:
            rows = order[cuts[number]]
            ends = [len(texts[row]) for row in rows]
            padded = np.zeros((len(rows), ends[-1]), np.int64)
            for ids, row in zip(padded, rows, strict=True):
                ids[: len(texts[row])] = texts[row]
            shard, at = Shard(self.network, len(rows), PRIME_CHUNK), 0
            for end in sorted({*ends}):
                while at < end:
                    chunk = padded[:, at : min(end, at + PRIME_CHUNK)]
                    shard.score(chunk, chunk)
                    at += chunk.shape[1]
                over = [row for row, length in enumerate(ends) if length == end]
                states[rows[over]] = shard.carried[over]

        team.each(read, len(cuts))
        return states


def _sound(ids: Ids) -> int:
    """Return how many ids were sampled before the model overflowed, or all."""
    over = ids < 0
    return int(over.argmax()) if over.any() else len(ids)


def next_size(size: int, took: float) -> int:
    """Return the size of the next block after one that took so many seconds, so that text appears soon."""
    if took < FAST:
        return min(BLOCK, 2 * size)
    return max(1, size // 2) if took > SLOW else size


class SampleShard:
    """Samples that run as one shard; `drawn` and `logprobs` (B, steps) are the latest results of `draw`."""

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
        """Start from each sample's last ids (at most RECENT) and its state before the last of them."""
        self._shard.carried = state
        self._shard.work(1).ids[...] = [ids[-1] for ids in read]
        for recent, ids in zip(self._recent, read, strict=True):
            recent[...] = np.pad(ids, (RECENT - len(ids), 0), "edge")  # repeating the first changes nothing

    def draw(self, steps: int) -> Ids:
        """Sample the next ids (B, steps)."""
        uniforms = np.array([rng.random(steps) for rng in self._rngs])
        self.drawn: Ids = np.zeros(uniforms.shape, np.int32)
        self.logprobs: NDArray[np.float64] = np.zeros((len(uniforms), steps if self._wanted else 0))
        network, work = self._shard.network, self._shard.work(1)
        model = (network.cell, network.weights, network.panels, work)
        generate(*model, self._rules, self._recent, uniforms, self._scratch, self.drawn, self.logprobs)
        return self.drawn
