"""charrnn plot"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..config import one_of
from ..errors import UsageError
from ..plotting.curves import read
from ..plotting.picture import KINDS, draw
from ..system.atomic import replacing
from ..system.stdio import STDIO
from .file_checks import make_folder, refuse_output, refuse_to_read_stdin_twice
from .options import option

OVER = ("chars", "seconds")


def plot(
    logs: Annotated[
        list[Path],
        typer.Argument(metavar="LOG", help="Training logs (.jsonl) written by charrnn train; - is stdin."),
    ],
    out: Annotated[
        Path, option("Picture", "Picture to write, .png or .svg; - is stdout.", "--out", "-o")
    ] = Path("curves.png"),
    form: Annotated[
        str,
        option(
            "Picture",
            "Picture format: png or svg; default: from the ending of --out.",
            "--format",
            choices=KINDS,
        ),
    ] = "",
    over: Annotated[
        str,
        option(
            "Picture",
            "What the horizontal axis shows: chars (characters trained on) or seconds.",
            choices=OVER,
        ),
    ] = "chars",
    force: Annotated[bool, option("Picture", "Overwrite an existing picture.", "--force")] = False,
    quiet: Annotated[bool, option("Picture", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Plot the learning curves of training runs: bits per character in training and validation.

    Example: charrnn plot checkpoints/fables-rnn.jsonl checkpoints/fables-gru.jsonl -o curves.svg
    """
    from .console import note

    kind = form or out.suffix[1:].lower()
    if kind not in KINDS and not form:
        raise UsageError(f"--out is {str(out)!r}", f"end it in .{' or .'.join(KINDS)}, or add --format")
    one_of("format", kind, KINDS)
    refuse_to_read_stdin_twice(logs)
    to_stdout = out == STDIO
    if not to_stdout:
        refuse_output(out, logs, force)
        make_folder(out.parent, "--out")
    if to_stdout and kind == "png" and sys.stdout.isatty():
        raise UsageError("a terminal cannot show a PNG", "name a file with --out")
    picture = draw([run for log in logs for run in read(log)], over, kind)
    if to_stdout:
        sys.stdout.buffer.write(picture)
        return
    lacking: set[str] = set()
    with replacing(out, lacking) as file:
        file.write(picture)
    for text in sorted(lacking):
        note(text, quiet)
    note(f"wrote {out}", quiet)
