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
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint (.npz) written by charrnn train.")
    ],
    texts: Annotated[
        list[Path],
        typer.Argument(
            metavar="TEXT", help="Texts to score (also in gzip, bzip2, xz), each on its own; - is stdin."
        ),
    ],
    unknown: Annotated[
        str,
        option(
            "Text",
            "Characters that the model never saw: error; skip and count them; or score, 20 bits each.",
            choices=SCORED_UNKNOWN,
        ),
    ] = DEFAULT.unknown,
    encoding: Annotated[str, option("Text", "Of the texts.")] = DEFAULT.encoding,
    encoding_errors: Annotated[str, encoding_errors_option("Text")] = DEFAULT.encoding_errors,
    stateless: Annotated[
        bool,
        option("Scoring", "Every line on its own, as after a newline at a text's start.", "--stateless"),
    ] = DEFAULT.stateless,
    dynamic: Annotated[
        bool, option("Scoring", "Go on learning from what was scored.", "--dynamic")
    ] = DEFAULT.dynamic,
    lr: Annotated[float, option("Scoring", "Learning rate of --dynamic.")] = DEFAULT.lr,
    per_line: Annotated[
        bool,
        option(
            "Output",
            "Tab-separated, as read: bits per character, characters, skipped, with several texts name, line.",
            "--per-line",
        ),
    ] = False,
    per_char: Annotated[
        bool, option("Output", "Each character and its bits, tab-separated, as read.", "--per-char")
    ] = False,
    as_json: Annotated[bool, option("Output", "Print one JSON document.", "--json")] = False,
    dtype: Annotated[str | None, dtype_option()] = None,
    threads: Annotated[int, option("Run", "0: all cores this process may use; of MPI's, its share.")] = 0,
    quiet: Annotated[bool, option("Output", "No notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Score texts: how many nats and bits a model spends on each of their characters.

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
    if stateless or dynamic:  # what only one can do
        ranks.finish()
        if ranks.rank:
            return
        ranks = ALONE
    if ranks.rank:
        follow(ranks, threads)
        return ranks.finish()
    if per_line + per_char + as_json > 1:
        raise UsageError("more than one of --per-line, --per-char, --json", "choose one")
    config = EvalConfig(stateless, dynamic, lr, unknown, encoding, encoding_errors)
    refuse_to_read_stdin_twice(texts)
    refuse_unreadable(texts)  # before the first is scored, which may take long
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
        note(f"{scorer.skipped:,} characters that the model never saw were left out", quiet)


def write_lines(scorer: TextScorer, texts: list[Path]) -> None:
    for text in texts:
        name = [name_of(text)] if len(texts) > 1 else []
        for line, score, skipped in scorer.lines(text):
            bpc = f"{score.bpc if score.chars else 0:.6f}"
            write("\t".join([bpc, str(score.chars), str(skipped), *name, line]) + "\n")


def write_characters(scorer: TextScorer, texts: list[Path]) -> None:
    """Control characters and the backslash are escaped, so that each line has two fields."""
    from ..scoring.metrics import bits

    for text in texts:
        for piece in scorer.pieces(text):
            each = bits(piece.predictions.nats)
            shown = map(field, scorer.vocabulary.characters(piece.points))
            write("".join(f"{c}\t{b:.6f}\n" for c, b in zip(shown, each, strict=True)))


def field(character: str) -> str:
    return "\\\\" if character == "\\" else visible(character)


def write_figures(scorer: TextScorer, texts: list[Path], as_json: bool) -> None:
    """A table, or one JSON document, of each text."""
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
    """Name and value, one a line."""
    shown = [
        f"nats per character  {result['loss']:.4f}",
        f"bits per character  {result['bpc']:.4f}",
        f"perplexity          {result['perplexity']:.4f}",
        f"accuracy            {result['accuracy']:.4f}",
        f"characters          {result['chars']}",
    ]
    return shown + ([f"skipped             {result['skipped']}"] if result["skipped"] else [])
