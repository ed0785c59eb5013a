"""Complete samples of many primes, without repeats or texts from a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from ..checkpoint.checkpoint import Checkpoint
from ..config import SampleConfig
from .sampler import Sampler

ROUND = 16  # fewest samples to make in place of rejected ones: as many as one shard has
FRUITLESS = 8  # give up on a prime after so many rounds without a new sample


class Answer(NamedTuple):
    """A complete sample."""

    place: int  # index of its prime
    sample: int  # its number among the samples of its prime
    prime: str  # as it was read
    text: str
    logprobs: list[float]


class Known:
    """Texts to reject: those of a list and, with `unique`, all earlier answers."""

    def __init__(self, texts: Iterable[str] = (), unique: bool = False):
        self._texts, self._unique = {*texts}, unique

    @property
    def refuses(self) -> bool:
        return bool(self._texts) or self._unique

    def new(self, prime: str, text: str) -> bool:
        """Return whether a sample, with the prime's last line before it, is new, and remember it."""
        line = prime.rpartition("\n")[2] + text
        if line in self._texts:
            return False
        if self._unique:
            self._texts.add(line)
        return True


def in_order(sampler: Sampler) -> Iterator[tuple[int, str, list[float], bool]]:
    """Yield (row, text, ln p, ended): the first sample in parts as it grows, then the others."""
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
    """Yield all samples of a sampler in order, each as soon as it and all before it have ended.

    first: the sampler's `first`.
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
    """Yield `config.num` answers for each prime, or fewer if the model produces no more new ones.

    Answers come in the order of primes, then of sample numbers; sampling runs in parallel. The answers
    for a prime are chosen before those for the next, so primes can be passed in groups of any size.
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
    """Finds how much of a sample was copied from a text."""

    def __init__(self, text: str):
        self._text = text

    def longest_copy(self, sample: str) -> str:
        """Return the longest part of a sample that occurs in the text; the first if several are longest.

        Cost: at most two searches of the text per character of the sample.
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
    """Yield the lines of a text that arrives in pieces, each as soon as it is complete, without line end."""
    rest = ""
    for text in texts:
        *whole, rest = (rest + text).split("\n")
        yield from (line.removesuffix("\r") for line in whole)
    if rest:
        yield rest
