"""charrnn sample"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..config import SampleConfig
from .output import write

DEFAULT = SampleConfig()


def sample(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint (.npz) written by charrnn train.")
    ],
    length: Annotated[int, typer.Option(help="Characters to draw; 0: without end.")] = DEFAULT.length,
    temp: Annotated[
        float, typer.Option(help="Temperature: below 1 safer, above 1 bolder; 0: the most likely character.")
    ] = DEFAULT.temp,
    prime: Annotated[str, typer.Option(help="Text to go on from.")] = DEFAULT.prime,
    echo: Annotated[bool, typer.Option(help="Show the prime before the text.")] = True,
    seed: Annotated[
        int | None, typer.Option(help="The same seed draws the same text; by default a new one.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes on stderr.")] = False,
) -> None:
    """Draw text from a model, character by character, to stdout.

    Example: charrnn sample ckpt.npz --temp 0.8 --prime "ROMEO:" | head -n 20
    """
    import secrets

    config = SampleConfig(length, temp, prime, secrets.randbelow(2**32) if seed is None else seed)

    # Numba comes with these: after the options are known to be right
    from ..checkpoint import load
    from ..sampling import sample as characters
    from .console import explain_compiling, note

    text = characters(load(checkpoint), config)
    with explain_compiling(quiet):
        first = next(text, "")
    note(f"seed {config.seed}", quiet)
    try:
        write((prime if echo else "") + first)
        for block in text:
            write(block)
    finally:
        if sys.stdout.isatty():
            write("\n")
