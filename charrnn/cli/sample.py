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
        Path, typer.Argument(metavar="CHECKPOINT", help="Checkpoint (.npz) written by charrnn train.")
    ],
    length: Annotated[int, option("Text", "Number of characters to sample; 0: endless.")] = DEFAULT.length,
    prime: Annotated[
        list[str] | None,
        option("Text", "Beginning for the model to continue; repeat it for a sample of each."),
    ] = None,
    prime_file: Annotated[Path | None, option("Text", "File to continue; - is stdin.")] = None,
    primes: Annotated[
        Path | None,
        option(
            "Text",
            "File of primes, one per line, for one answer each; - is stdin, answered as lines arrive.",
        ),
    ] = None,
    trim_prime: Annotated[
        bool,
        option("Text", "Remove a line end at the end of the prime, such as echo writes.", "--trim-prime"),
    ] = False,
    encoding: Annotated[str, option("Text", "Encoding of --prime-file, --primes and --not-in.")] = "utf-8",
    encoding_errors: Annotated[str, encoding_errors_option("Text")] = "strict",
    unknown: Annotated[
        str,
        option(
            "Text",
            "Characters in primes and stops that the model lacks: error, or skip (leave out).",
            choices=UNKNOWN,
        ),
    ] = DEFAULT.unknown,
    stop: Annotated[
        list[str] | None,
        option("Text", r"End samples before this text; repeatable. Escapes: \n \t \r \0 \\ \xNN \uNNNN."),
    ] = None,
    num: Annotated[int, option("Text", "Number of samples per prime.")] = DEFAULT.num,
    unique: Annotated[
        bool, option("Text", "Print no sample twice: replace repeated ones with new ones.", "--unique")
    ] = False,
    not_in: Annotated[
        Path | None,
        option(
            "Text",
            "Reject samples that are a line of this file; --format jsonl reports the longest copy.",
        ),
    ] = None,
    temp: Annotated[
        float,
        option("Sampling", "Temperature: below 1 safer, above 1 bolder; 0: always the most likely."),
    ] = DEFAULT.temp,
    top_k: Annotated[
        int, option("Sampling", "Sample from this many of the most likely characters; 0: all.")
    ] = DEFAULT.top_k,
    top_p: Annotated[
        float,
        option(
            "Sampling", "Sample from the most likely characters that together reach this probability; 1: all."
        ),
    ] = DEFAULT.top_p,
    min_p: Annotated[
        float,
        option(
            "Sampling", "Ignore characters with less than this share of the most likely one's probability."
        ),
    ] = DEFAULT.min_p,
    repeat_penalty: Annotated[
        float,
        option("Sampling", "Above 1: characters among the last 64 become less likely; below 1: more likely."),
    ] = DEFAULT.repeat_penalty,
    seed: Annotated[
        int | None, option("Sampling", "Random seed; the same seed gives the same text; default: a new one.")
    ] = None,
    echo: Annotated[bool, option("Output", "Print the prime before the sample.")] = True,
    separator: Annotated[
        str,
        option(
            "Output",
            r"Text after each sample, if there are several or a --stop; escapes work. Default: \n.",
            show_default=False,
        ),
    ] = LINE,
    form: Annotated[
        str,
        option(
            "Output",
            "Output format: text, or jsonl (one JSON object per sample).",
            "--format",
            choices=FORMATS,
        ),
    ] = "text",
    dtype: Annotated[str | None, dtype_option()] = None,
    threads: Annotated[
        int, option("Run", "Number of threads; 0: one per core available to this process.")
    ] = DEFAULT.threads,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Sample text from a model, character by character.

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
        raise UsageError("--length is 0", "only a single sample can be endless, without --unique or --not-in")
    refuse_to_read_stdin_twice([*filter(None, (prime_file, primes, not_in))])

    # these import Numba, which is slow: only once the options are known to be right
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
        stops += ("\n",)  # each answer is a line
    config = replace(config, stop=stops, prime=texts[0])
    sampler = Sampler(model, config, logprobs=form == "jsonl")
    if form == "jsonl" and not length and not sampler.stops:
        raise UsageError("--length is 0 with --format jsonl", "add a --stop that can occur")
    excluded = "".join(read(not_in)) if not_in else ""
    with explain_compiling(quiet):
        sampler.compile_kernels()
    told = len(list(notes))
    for said in (f"seed {config.seed}", *notes):
        note(said, quiet)
    for each in sampler.dropped:
        note(f"--stop {each!r} cannot occur: it has characters that the model lacks", quiet)
    if sampler.skipped:
        note(f"skipped {sampler.skipped} characters of the prime that the model lacks", quiet)
    output = Output(form == "jsonl", echo, unescaped(separator, level), excluded, many)
    if form == "text" and not (many or listed):
        write_stream(sampler, output, ended=bool(num > 1 or stop or model.documents))
        return note(sampler.note, quiet)
    if listed and not sampler.stops:
        note(
            r"without --stop, whole samples are compared; if the samples are lines, add --stop '\n'",
            quiet,
        )
    known = Known(lines_of([excluded]), unique)
    groups = prime_groups(read(primes), num) if primes else [texts]
    lacking = write_answers(model, config, groups, known, output)
    for said in list(notes)[told:]:
        note(said, quiet)
    if lacking and not config.temp:
        raise CharrnnError(
            f"{lacking} of the requested samples are missing: with --temp 0 a prime has only one sample, "
            "and it was printed before or is excluded",
            "raise --temp, or request each prime once",
        )
    if lacking:
        raise CharrnnError(
            f"{lacking} of the requested samples are missing: the model produced no more new ones",
            "request fewer, or raise --temp",
        )


def _line_end_note(prime: str, from_file: bool, trimmed: bool) -> str:
    """Return a note about the end of a prime, or an empty string."""
    from .console import stderr

    if from_file and prime.endswith("\n") and not trimmed and stderr().is_terminal:
        return "the prime ends with a line end, so the sample begins on a new line; --trim-prime removes it"
    if not from_file and prime.endswith(r"\n"):
        return r"the prime ends with a backslash and an n; for a line end, write $'...\n' in bash or zsh"
    return ""
