"""Samples as wholes: of many primes, none twice, none that a list has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from ..checkpoint.checkpoint import Checkpoint
from ..config import SampleConfig
from .sampler import Sampler

ROUND = 16  # samples drawn at least to replace some that are known: as many as one shard has
FRUITLESS = 8  # such rounds with nothing new, after which a prime is given up


class Answer(NamedTuple):
    """A sample that has ended."""

    place: int  # of its prime among the primes
    sample: int  # its number among those of its prime
    prime: str  # as it was read
    text: str
    logprobs: list[float]


class Known:
    """Texts that no answer may be: those of a list, and with `unique` all answers before."""

    def __init__(self, texts: Iterable[str] = (), unique: bool = False):
        self._texts, self._unique = {*texts}, unique

    @property
    def refuses(self) -> bool:
        return bool(self._texts) or self._unique

    def new(self, prime: str, text: str) -> bool:
        """Whether a sample is none of them, from where the prime's last line begins; if so, it is one now."""
        line = prime.rpartition("\n")[2] + text
        if line in self._texts:
            return False
        if self._unique:
            self._texts.add(line)
        return True


def in_order(sampler: Sampler) -> Iterator[tuple[int, str, list[float], bool]]:
    """(row, text, ln p, whether it has ended): the first sample as it is drawn, the others after it."""
    count, at = len(sampler.primes) * sampler.config.num, 0
    texts: list[list[str]] = [[] for _ in range(count)]
    logprobs: list[list[float]] = [[] for _ in range(count)]
    for block in sampler:
        for row in range(at, count):
            texts[row].append(block.texts[row])
            logprobs[row] += block.logprobs[row]
        going_on = False
        while at < count and not going_on:
            going_on = not block.ended[at]
            yield at, "".join(texts[at]), logprobs[at], not going_on
            texts[at], logprobs[at] = [], []
            at += not going_on


def drawn(sampler: Sampler, first: int = 0) -> Iterator[Answer]:
    """All samples of a sampler in order, each as soon as it and those before it have ended.

    first: that of the sampler.
    """
    text, logprobs = "", list[float]()
    for row, part, more, ended in in_order(sampler):
        text, logprobs = text + part, logprobs + more
        if ended:
            place, number = divmod(row, sampler.config.num)
            yield Answer(place, first + number, sampler.primes[place], text, logprobs)
            text, logprobs = "", []


def answers(
    checkpoint: Checkpoint,
    config: SampleConfig,
    primes: Sequence[str],
    known: Known,
    logprobs: bool = False,
) -> Iterator[Answer]:
    """`config.num` answers to each prime, fewer where the model gives no more that are new.

    Those of a prime come in the order of their numbers, primes in their order; all are drawn side by side.
    A prime's are chosen before those of the next, so that primes may come in groups of any size.
    Errors: see `Sampler`.
    """
    first = drawn(Sampler(checkpoint, config, logprobs, primes))
    if not known.refuses:
        yield from first
        return
    rounds = groupby(first, key=lambda answer: answer.place)
    for place, come in rounds:
        kept, fruitless, number = 0, 0, config.num
        candidates: Iterable[Answer] = list(come)
        while True:
            before = kept
            for answer in candidates:
                if kept < config.num and known.new(answer.prime, answer.text):
                    kept += 1
                    yield answer._replace(place=place)
            fruitless = 0 if kept > before else fruitless + 1
            if kept == config.num or fruitless == FRUITLESS:
                break
            more = replace(config, num=max(ROUND, config.num - kept))
            candidates = drawn(Sampler(checkpoint, more, logprobs, [primes[place]], number), number)
            number += more.num


class Novelty:
    """How much of a sample was copied from a text."""

    def __init__(self, text: str):
        self._text = text

    def longest_copy(self, sample: str) -> str:
        """The longest piece of a sample that stands in the text, the first of equals.

        Cost: up to twice as many searches of the text as the sample has characters.
        """
        best, start, end = "", 0, 0
        while end < len(sample):
            if sample[start : end + 1] in self._text:
                end += 1
                if end - start > len(best):
                    best = sample[start:end]
            else:
                start += 1
                end = max(start, end)
        return best


def lines_of(texts: Iterable[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces, each as soon as it is whole, without its line end."""
    rest = ""
    for text in texts:
        *whole, rest = (rest + text).split("\n")
        yield from (line.removesuffix("\r") for line in whole)
    if rest:
        yield rest
