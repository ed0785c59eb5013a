"""charrnn sample"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..config import UNKNOWN, SampleConfig
from ..errors import CharrnnError, UsageError
from .escapes import unescaped
from .file_checks import refuse_to_read_stdin_twice
from .options import dtype_option, encoding_errors_option, option, spelled

DEFAULT = SampleConfig()
FORMATS = ("text", "jsonl")
LINE = r"\n"  # the default separator
LINE_END = re.compile(r"\r?\n\Z|\r\Z")


def sample(
    context: typer.Context,
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint (.npz) written by charrnn train.")
    ],
    length: Annotated[int, option("Text", "Characters to sample; 0: without end.")] = DEFAULT.length,
    prime: Annotated[
        list[str] | None, option("Text", "Text to go on from; given again, another sample of its own.")
    ] = None,
    prime_file: Annotated[Path | None, option("Text", "A file to go on from; - is stdin.")] = None,
    primes: Annotated[
        Path | None,
        option(
            "Text",
            "A file with a prime on each line, each answered by a line; - is stdin, answered as lines come.",
        ),
    ] = None,
    trim_prime: Annotated[
        bool,
        option("Text", "Leave out the line end that a prime ends in, as echo writes one.", "--trim-prime"),
    ] = False,
    encoding: Annotated[str, option("Text", "Of --prime-file, --primes and --not-in.")] = "utf-8",
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
    num: Annotated[int, option("Text", "Samples of each prime, side by side.")] = DEFAULT.num,
    unique: Annotated[bool, option("Text", "No sample twice: others take its place.", "--unique")] = False,
    not_in: Annotated[
        Path | None,
        option("Text", "None that is a line of this text; JSON lines tell what is copied from it."),
    ] = None,
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
        int | None, option("Choice", "The same seed gives the same text; by default a new one.")
    ] = None,
    echo: Annotated[bool, option("Output", "Show the prime before the text.")] = True,
    separator: Annotated[
        str,
        option(
            "Output",
            r"After each of several samples, or of one with a --stop; escapes are read. Default: \n.",
            show_default=False,
        ),
    ] = LINE,
    form: Annotated[
        str, option("Output", "text, or jsonl: a JSON object a sample.", "--format", choices=FORMATS)
    ] = "text",
    dtype: Annotated[str | None, dtype_option()] = None,
    threads: Annotated[int, option("Run", "0: every core this process may use.")] = DEFAULT.threads,
    quiet: Annotated[bool, option("Output", "No notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Sample text from a model, character by character, to stdout.

    Example: charrnn sample ckpt.npz --temp 0.8 --prime "ROMEO:" | head -n 20
    """
    import secrets

    given = {"prime": prime, "prime_file": prime_file, "primes": primes}
    if len(several := [spelled(name) for name, value in given.items() if value is not None]) > 1:
        raise UsageError(f"{several[0]} and {several[1]} are both given", "choose one")
    values = {name: context.params[name] for name in vars(DEFAULT) if name != "prime"}
    values |= {"stop": tuple(stop or ()), "seed": secrets.randbelow(2**32) if seed is None else seed}
    config = SampleConfig(**values)
    listed, many = unique or bool(not_in), bool(primes) or len(prime or ()) > 1
    if not length and (many or listed):
        raise UsageError("--length is 0", "one sample alone can be without end, and none can be compared")
    refuse_to_read_stdin_twice([*filter(None, (prime_file, primes, not_in))])

    # Numba comes with these: after the options are known to be right
    from ..checkpoint.reading import load
    from ..model.network import arithmetic_note
    from ..sampling.answers import Known, lines_of
    from ..sampling.sampler import Sampler
    from ..text.notes import Notes
    from .console import explain_compiling, note
    from .sample_output import Output, prime_groups, texts_of, write_answers, write_stream

    model, notes = load(checkpoint).multiplied_in(dtype), Notes()
    note(arithmetic_note(model.network.config), quiet)
    level = model.vocabulary.level
    read = partial(texts_of, encoding=encoding, level=level, errors=encoding_errors, notes=notes)
    texts = ["".join(read(prime_file))] if prime_file else prime or [""]
    note(_line_end_note(texts[0], bool(prime_file), trim_prime), quiet)
    texts = [LINE_END.sub("", each) if trim_prime else each for each in texts]
    stops = tuple(unescaped(each, level) for each in config.stop)
    if primes and form == "text" and separator == LINE and "\n" in model.vocabulary:
        stops += ("\n",)  # an answer is a line
    config = replace(config, stop=stops, prime=texts[0])
    sampler = Sampler(model, config, logprobs=form == "jsonl")
    if form == "jsonl" and not length and not sampler.stops:
        raise UsageError("--length is 0 and --format jsonl", "name a --stop that can occur")
    excluded = "".join(read(not_in)) if not_in else ""
    with explain_compiling(quiet):
        sampler.compile_kernels()
    told = len(list(notes))
    for said in (f"seed {config.seed}", *notes):
        note(said, quiet)
    for each in sampler.dropped:
        note(f"--stop {each!r} has characters that the model does not know, and cannot occur", quiet)
    if sampler.skipped:
        note(f"{sampler.skipped} characters of the prime, which the model does not know, skipped", quiet)
    output = Output(form == "jsonl", echo, unescaped(separator, level), excluded, many)
    if form == "text" and not (many or listed):
        write_stream(sampler, output, ended=bool(num > 1 or stop or model.documents))
        return note(sampler.note, quiet)
    if listed and not sampler.stops:
        note(
            r"no --stop: whole texts are compared; for a list of lines add --stop '\n'",
            quiet,
        )
    known = Known(lines_of([excluded]), unique)
    groups = prime_groups(read(primes), num) if primes else [texts]
    lacking = write_answers(model, config, groups, known, output)
    for said in list(notes)[told:]:
        note(said, quiet)
    if lacking:
        raise CharrnnError(
            f"{lacking} of the samples asked for are missing: the model gave nothing new any more",
            "ask for fewer, or raise --temp",
        )


def _line_end_note(prime: str, from_file: bool, trimmed: bool) -> str:
    """What the user should know of the end of a prime, or nothing."""
    from .console import stderr

    if from_file and prime.endswith("\n") and not trimmed and stderr().is_terminal:
        return "the prime ends in a line end, and the text begins a line; --trim-prime leaves it out"
    if not from_file and prime.endswith(r"\n"):
        return r"the prime ends in a backslash and an n; a line end is written $'...\n' in bash and zsh"
    return ""
