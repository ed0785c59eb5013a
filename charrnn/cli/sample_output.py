"""Write samples to stdout: a single one as it is sampled, several one after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checkpoint.checkpoint import Checkpoint
from ..config import SampleConfig
from ..errors import TextError
from ..sampling.answers import Known, Novelty, answers, in_order, lines_of
from ..sampling.sampler import Sampler
from ..text.files import blocks
from ..text.notes import Notes
from ..text.vocabulary import Vocabulary
from .console import note
from .output import json_line, write

TOGETHER = 256  # most samples made in parallel: primes are cut into groups of at most this many samples
EMPTY = Vocabulary.of("")


@dataclass(frozen=True)
class Output:
    """The format of the output."""

    as_json: bool
    echo: bool  # whether the prime is written before the text
    separator: str
    corpus: str  # the text searched for copies; empty: none
    numbered: bool  # whether JSON objects hold the line number of the prime


def texts_of(path: Path, encoding: str, level: str, errors: str, notes: Notes) -> Iterator[str]:
    """Yield a file's text in pieces, as they arrive."""
    vocabulary = Vocabulary.of_bytes() if level == "byte" else EMPTY
    for points in blocks(path, encoding, level, errors=errors, notes=notes):
        yield vocabulary.text_of(points)


def prime_groups(texts: Iterable[str], num: int) -> Iterator[list[str]]:
    """Yield groups of lines to answer together: those that have arrived, in limited number."""
    rest = ""
    for text in texts:
        whole, end, rest = (rest + text).rpartition("\n")
        yield from _groups(lines_of([whole + end]), num)
    yield from _groups(lines_of([rest]), num)


def _groups(lines: Iterable[str], num: int) -> Iterator[list[str]]:
    most, group = max(1, TOGETHER // num), list[str]()
    for line in lines:
        group.append(line)
        if len(group) == most:
            yield group
            group = []
    if group:
        yield group


def write_answers(
    model: Checkpoint, config: SampleConfig, groups: Iterable[list[str]], known: Known, output: Output
) -> int:
    """Write the samples of all primes, in order.  Returns how many are missing for lack of new ones."""
    before = missing = 0
    novelty = Novelty(output.corpus)
    for group in groups:
        primes, wrong = _readable(model, config, group, before)
        missing += len(primes) * config.num
        for answer in answers(model, config, primes, known, logprobs=output.as_json):
            missing -= 1
            if not output.as_json:
                write((answer.prime if output.echo else "") + answer.text + output.separator)
                continue
            line: dict[str, Any] = {"line": before + answer.place + 1} if output.numbered else {}
            line |= {"sample": answer.sample, "seed": config.seed, "prime": answer.prime, "text": answer.text}
            if output.corpus:
                line["longest_copy"] = novelty.longest_copy(answer.prime + answer.text)
            write(json_line(line | {"logprobs": answer.logprobs}) + "\n")
        before += len(group)
        if wrong and not sys.stdin.isatty():
            raise wrong
        if wrong:
            note(str(wrong))
    if sys.stdout.isatty():
        write("", last=True)
    return missing


def _readable(
    model: Checkpoint, config: SampleConfig, primes: list[str], before: int
) -> tuple[list[str], TextError | None]:
    """Return the primes before the first that the model cannot read, and the error of that one."""
    for number, prime in enumerate(primes):
        try:
            model.vocabulary.encode(prime, f"the prime of line {before + number + 1}", config.unknown)
        except TextError as error:
            return primes[:number], error
    return primes, None


def write_stream(sampler: Sampler, output: Output, ended: bool) -> None:
    """Write the samples of one prime, the first as it is sampled.

    ended: whether a separator follows the last.
    """
    num, prime = sampler.config.num, sampler.primes[0] if output.echo else ""
    try:
        write(prime)
        for i, text, _, over in in_order(sampler):
            write(text)
            if over and i + 1 < num:
                write(output.separator + prime)
        if ended:
            write(output.separator)
    finally:
        if sys.stdout.isatty():
            write("", last=True)
            if not ended:
                write("\n")
