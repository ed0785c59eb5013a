"""charrnn eval"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .files import name_of
from .output import json_line


def evaluate(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint (.npz) written by charrnn train.")
    ],
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="A UTF-8 text to score; - reads stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    threads: Annotated[int, typer.Option(help="0: every core this process may use.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False,
) -> None:
    """Score a text: how many nats and bits a model spends on each of its characters.

    Example: charrnn eval ckpt.npz unseen.txt
    """
    from ..checkpoint import load
    from ..corpus import encode
    from ..errors import TextError
    from ..evaluation import evaluate as score_of
    from ..parallel import Team
    from .console import explain_compiling

    model = load(checkpoint)
    ids, _ = encode(text, model.vocabulary)
    if len(ids) < 2:
        raise TextError(f"{name_of(text)} has {len(ids)} characters", "scoring needs at least 2")
    with explain_compiling(quiet):
        score_of(model.network, ids[:2], Team(1))
    score = score_of(model.network, ids, Team(threads))
    assert score is not None  # nothing stops it
    if as_json:
        figures = {"loss": score.loss, "bpc": score.bpc, "perplexity": score.perplexity, "chars": score.chars}
        print(json_line(figures))
    else:
        print(f"nats per character  {score.loss:.4f}")
        print(f"bits per character  {score.bpc:.4f}")
        print(f"perplexity          {score.perplexity:.4f}")
        print(f"characters          {score.chars}")
