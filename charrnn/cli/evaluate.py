"""charrnn eval"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..config import SCORED_UNKNOWN, EvalConfig
from ..parallel.ranks import ALONE, current
from ..system.stdio import name_of
from .file_checks import refuse_to_read_stdin_twice
from .options import dtype_option, encoding_errors_option, option
from .output import json_line, visible, write

if TYPE_CHECKING:
    from ..scoring.texts import TextScorer

DEFAULT = EvalConfig()


def evaluate(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Checkpoint (.npz) written by charrnn train.")
    ],
    texts: Annotated[
        list[Path],
        typer.Argument(
            metavar="TEXT", help="Text files (plain, gzip, bzip2 or xz), each scored on its own; - is stdin."
        ),
    ],
    unknown: Annotated[
        str,
        option(
            "Text",
            "Characters that the model lacks: error, skip (and count them), or score (20 bits each).",
            choices=SCORED_UNKNOWN,
        ),
    ] = DEFAULT.unknown,
    encoding: Annotated[str, option("Text", "Encoding of the texts.")] = DEFAULT.encoding,
    encoding_errors: Annotated[str, encoding_errors_option("Text")] = DEFAULT.encoding_errors,
    stateless: Annotated[
        bool,
        option(
            "Scoring", "Score each line on its own, after a newline and with no other context.", "--stateless"
        ),
    ] = DEFAULT.stateless,
    dynamic: Annotated[
        bool,
        option("Scoring", "Keep training on the text while scoring it (dynamic evaluation).", "--dynamic"),
    ] = DEFAULT.dynamic,
    lr: Annotated[float, option("Scoring", "Learning rate for --dynamic.")] = DEFAULT.lr,
    per_line: Annotated[
        bool,
        option(
            "Output",
            "Print a row for each line, as it is read: "
            "bits per character, characters, skipped, file (if several), text.",
            "--per-line",
        ),
    ] = False,
    per_char: Annotated[
        bool,
        option("Output", "Print a row for each character, as it is read: character, bits.", "--per-char"),
    ] = False,
    as_json: Annotated[bool, option("Output", "Print the results as one JSON document.", "--json")] = False,
    dtype: Annotated[str | None, dtype_option()] = None,
    threads: Annotated[
        int, option("Run", "Number of threads; 0: one per core available to this process (or its MPI share).")
    ] = 0,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Score texts: how many nats and bits a model needs per character.

    Example: charrnn eval ckpt.npz unseen.txt
    """
    from ..checkpoint.reading import load
    from ..errors import UsageError
    from ..model.network import arithmetic_note
    from ..parallel.threads import Team
    from ..scoring.texts import TextScorer, follow
    from ..text.files import refuse_unreadable
    from .console import explain_compiling, note

    ranks = current()
    if stateless or dynamic:  # not distributed: rank 0 works alone
        ranks.finish()
        if ranks.rank:
            return
        ranks = ALONE
    if ranks.rank:
        follow(ranks, threads)
        return ranks.finish()
    if per_line + per_char + as_json > 1:
        raise UsageError("more than one of --per-line, --per-char and --json is given", "choose one")
    config = EvalConfig(stateless, dynamic, lr, unknown, encoding, encoding_errors)
    refuse_to_read_stdin_twice(texts)
    refuse_unreadable(texts)  # now, since scoring the first may take long
    model = load(checkpoint).multiplied_in(dtype)
    note(arithmetic_note(model.network.config), quiet)
    scorer = TextScorer(model, config, team := Team(threads, ranks), ranks)
    note(team.note, quiet)
    with explain_compiling(quiet):
        scorer.compile_kernels()
    if per_line:
        write_lines(scorer, texts)
    elif per_char:
        write_characters(scorer, texts)
    else:
        write_figures(scorer, texts, as_json)
    scorer.close()
    ranks.finish()
    for said in scorer.notes:
        note(said, quiet)
    if scorer.skipped:
        note(f"skipped {scorer.skipped:,} characters that the model lacks", quiet)


def write_lines(scorer: TextScorer, texts: list[Path]) -> None:
    """Write a row for each line."""
    for text in texts:
        name = [name_of(text)] if len(texts) > 1 else []
        for line, score, skipped in scorer.lines(text):
            bpc = f"{score.bpc if score.chars else 0:.6f}"
            write("\t".join([bpc, str(score.chars), str(skipped), *name, line]) + "\n")


def write_characters(scorer: TextScorer, texts: list[Path]) -> None:
    """Write a row for each character, with control characters and backslashes escaped."""
    from ..scoring.metrics import bits

    for text in texts:
        for piece in scorer.pieces(text):
            each = bits(piece.predictions.nats)
            shown = map(field, scorer.vocabulary.characters(piece.points))
            write("".join(f"{c}\t{b:.6f}\n" for c, b in zip(shown, each, strict=True)))


def field(character: str) -> str:
    """Return a character as a field of a row."""
    return "\\\\" if character == "\\" else visible(character)


def write_figures(scorer: TextScorer, texts: list[Path], as_json: bool) -> None:
    """Write a table for each text, or one JSON document for all."""
    results = []
    for text in texts:
        score, skipped = scorer.whole(text)
        figures = {"loss": score.loss, "bpc": score.bpc, "perplexity": score.perplexity}
        results.append(figures | {"accuracy": score.accuracy, "chars": score.chars, "skipped": skipped})
    if as_json:
        each = [{"text": name_of(text)} | result for text, result in zip(texts, results, strict=True)]
        print(json_line({"texts": each}))
        return
    for text, result in zip(texts, results, strict=True):
        if len(results) > 1:
            print(visible(name_of(text)))
        print("\n".join(rows(result)))


def rows(result: dict[str, Any]) -> list[str]:
    """Return the lines of a table: a name and a value in each."""
    shown = [
        f"nats per character  {result['loss']:.4f}",
        f"bits per character  {result['bpc']:.4f}",
        f"perplexity          {result['perplexity']:.4f}",
        f"accuracy            {result['accuracy']:.4f}",
        f"characters          {result['chars']}",
    ]
    return shown + ([f"skipped             {result['skipped']}"] if result["skipped"] else [])
