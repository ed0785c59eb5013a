"""charrnn eval"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint (.npz) written by charrnn train.")],
    text: Annotated[Path, typer.Argument(help="A UTF-8 text to score; - reads stdin.", allow_dash=True)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    threads: Annotated[int, typer.Option(help="0: every core this process may use.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False,
) -> None:
    """Score a text: how many nats and bits a model spends on each of its characters.

    Example: charrnn eval ckpt.npz unseen.txt
    """
    import json

    from ..checkpoint import load
    from ..errors import TextError
    from ..evaluation import evaluate as score_of
    from ..parallel import Team
    from ..text import read
    from .console import COMPILING, explain_wait

    model = load(checkpoint)
    ids = model.vocabulary.encode(read(text), str(text))
    if len(ids) < 2:
        raise TextError(f"{text} has {len(ids)} characters", "scoring needs at least 2")
    with explain_wait(COMPILING, quiet):
        score = score_of(model.network, ids, Team(threads))
    figures = {"loss": score.loss, "bpc": score.bpc, "perplexity": score.perplexity, "chars": score.chars}
    if as_json:
        print(json.dumps(figures))
    else:
        print(f"nats per character  {score.loss:.4f}")
        print(f"bits per character  {score.bpc:.4f}")
        print(f"perplexity          {score.perplexity:.4f}")
        print(f"characters          {score.chars}")
