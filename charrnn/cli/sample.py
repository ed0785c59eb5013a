"""charrnn sample"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..config import UNKNOWN, SampleConfig
from ..errors import UsageError
from .escapes import unescaped
from .options import dtype_option, encoding_errors_option, option
from .output import json_line, write

if TYPE_CHECKING:
    from ..sampling.sampler import Block

DEFAULT = SampleConfig()
FORMATS = ("text", "jsonl")
LINE_END = re.compile(r"\r?\n\Z|\r\Z")


def sample(
    context: typer.Context,
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint (.npz) written by charrnn train.")
    ],
    length: Annotated[int, option("Text", "Characters to draw; 0: without end.")] = DEFAULT.length,
    prime: Annotated[str, option("Text", "Text to go on from.")] = DEFAULT.prime,
    prime_file: Annotated[Path | None, option("Text", "A file to go on from; - is stdin.")] = None,
    trim_prime: Annotated[
        bool,
        option("Text", "Leave out the line end that a prime ends in, as echo writes one.", "--trim-prime"),
    ] = False,
    encoding: Annotated[str, option("Text", "Of --prime-file.")] = "utf-8",
    encoding_errors: Annotated[str, encoding_errors_option("Text")] = "strict",
    unknown: Annotated[
        str,
        option(
            "Text",
            "Characters of prime and stop that the model does not know: error or skip.",
            choices=UNKNOWN,
        ),
    ] = DEFAULT.unknown,
    stop: Annotated[
        list[str] | None,
        option("Text", r"End before this text; repeatable. \n \t \r \0 \\ \xNN \uNNNN are read."),
    ] = None,
    num: Annotated[int, option("Text", "Samples, drawn side by side.")] = DEFAULT.num,
    temp: Annotated[
        float, option("Choice", "Temperature: below 1 safer, above 1 bolder; 0: the most likely character.")
    ] = DEFAULT.temp,
    top_k: Annotated[int, option("Choice", "Only so many of the most likely; 0: all.")] = DEFAULT.top_k,
    top_p: Annotated[
        float, option("Choice", "Only the most likely that together reach this share.")
    ] = DEFAULT.top_p,
    min_p: Annotated[
        float, option("Choice", "Only those at least this share as likely as the most likely.")
    ] = DEFAULT.min_p,
    repeat_penalty: Annotated[
        float, option("Choice", "Above 1: characters among the last 64 are less likely; below 1: more.")
    ] = DEFAULT.repeat_penalty,
    seed: Annotated[
        int | None, option("Choice", "The same seed draws the same text; by default a new one.")
    ] = None,
    echo: Annotated[bool, option("Output", "Show the prime before the text.")] = True,
    separator: Annotated[
        str,
        option("Output", r"Between samples; \n and the like as in --stop. Default: \n.", show_default=False),
    ] = "\n",
    form: Annotated[
        str, option("Output", "text, or jsonl: a JSON object a sample.", "--format", choices=FORMATS)
    ] = "text",
    dtype: Annotated[str | None, dtype_option()] = None,
    threads: Annotated[int, option("Run", "0: every core this process may use.")] = DEFAULT.threads,
    quiet: Annotated[bool, option("Output", "No notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Draw text from a model, character by character, to stdout.

    Example: charrnn sample ckpt.npz --temp 0.8 --prime "ROMEO:" | head -n 20
    """
    import secrets

    values = {name: context.params[name] for name in vars(DEFAULT)}
    values |= {"stop": tuple(stop or ()), "seed": secrets.randbelow(2**32) if seed is None else seed}
    config = SampleConfig(**values)
    if prime and prime_file:
        raise UsageError("--prime and --prime-file are both given", "choose one")

    # Numba comes with these: after the options are known to be right
    from ..checkpoint.reading import load
    from ..model.network import arithmetic_note
    from ..sampling.sampler import Sampler
    from ..text import corpus
    from ..text.notes import Notes
    from .console import explain_compiling, note, stderr

    model, notes = load(checkpoint).multiplied_in(dtype), Notes()
    note(arithmetic_note(model.network.config), quiet)
    level = model.vocabulary.level
    if prime_file:
        text = corpus.load([prime_file], encoding, level, encoding_errors, notes=notes)
        config = replace(config, prime=text.vocabulary.decode(text.ids))
        ends = config.prime.endswith("\n")
        if ends and not trim_prime and stderr().is_terminal:
            note(
                "the prime ends in a line end, and the text begins a line; --trim-prime leaves it out", quiet
            )
    elif prime.endswith(r"\n"):
        note(r"the prime ends in a backslash and an n; a line end is written $'...\n' in bash and zsh", quiet)
    if trim_prime:
        config = replace(config, prime=LINE_END.sub("", config.prime))
    config = replace(config, stop=tuple(unescaped(each, level) for each in config.stop))
    sampler = Sampler(model, config, logprobs=form == "jsonl")
    if form == "jsonl" and not length and not sampler.stops:
        raise UsageError("--length is 0 and --format jsonl", "name a --stop that can occur")
    with explain_compiling(quiet):
        sampler.compile_kernels()
    for said in (f"seed {config.seed}", *notes):
        note(said, quiet)
    for each in sampler.dropped:
        note(f"--stop {each!r} has characters that the model does not know, and cannot occur", quiet)
    if sampler.skipped:
        note(f"{sampler.skipped} characters of the prime, which the model does not know, skipped", quiet)
    if form == "jsonl":
        write_lines(sampler, {"seed": config.seed, "prime": sampler.prime}, num)
    else:
        write_texts(sampler, sampler.prime if echo else "", unescaped(separator, level), num)
    note(sampler.note, quiet)


def in_order(blocks: Iterable[Block], num: int) -> Iterator[tuple[int, str, list[float], bool]]:
    """(sample, text, ln p, whether it has ended): the first sample as it is drawn, the others after it."""
    texts: list[list[str]] = [[] for _ in range(num)]
    logprobs: list[list[float]] = [[] for _ in range(num)]
    at = 0
    for block in blocks:
        for i in range(at, num):
            texts[i].append(block.texts[i])
            logprobs[i] += block.logprobs[i]
        going_on = False
        while at < num and not going_on:
            going_on = not block.ended[at]
            yield at, "".join(texts[at]), logprobs[at], not going_on
            texts[at], logprobs[at] = [], []
            at += not going_on


def write_texts(blocks: Iterable[Block], prime: str, separator: str, num: int) -> None:
    try:
        write(prime)
        for i, text, _, ended in in_order(blocks, num):
            write(text)
            if ended and i + 1 < num:
                write(separator + prime)
    finally:
        if sys.stdout.isatty():
            write("", last=True)
            write("\n")


def write_lines(blocks: Iterable[Block], facts: dict[str, Any], num: int) -> None:
    """A JSON object for each sample, when it has ended."""
    texts: list[str] = []
    logprobs: list[float] = []
    for i, text, more, ended in in_order(blocks, num):
        texts.append(text)
        logprobs += more
        if ended:
            line = {"sample": i, **facts, "text": "".join(texts), "logprobs": logprobs}
            write(json_line(line) + "\n")
            texts, logprobs = [], []
