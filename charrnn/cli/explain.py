"""charrnn explain"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import UNKNOWN, EvalConfig, at_least, symbol
from ..system.stdio import STDIO
from .file_checks import make_folder, refuse_output
from .options import encoding_errors_option, option
from .output import write

if TYPE_CHECKING:
    from ..inspection.explanation import Explanation

DEFAULT = EvalConfig()


def explain(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Checkpoint (.npz) written by charrnn train.")
    ],
    text: Annotated[
        Path, typer.Argument(metavar="TEXT", help="Text file of up to 20,000 characters; - is stdin.")
    ],
    unknown: Annotated[
        str,
        option("Text", "Characters that the model lacks: error, or skip (leave them out).", choices=UNKNOWN),
    ] = DEFAULT.unknown,
    encoding: Annotated[str, option("Text", "Encoding of the text.")] = DEFAULT.encoding,
    encoding_errors: Annotated[str, encoding_errors_option("Text")] = DEFAULT.encoding_errors,
    out: Annotated[
        Path | None,
        option(
            "Output",
            "HTML page to write, instead of printing to the terminal; - is stdout.",
            "--out",
            "-o",
        ),
    ] = None,
    top: Annotated[int, option("Output", "Number of guesses to show for each character.")] = 5,
    force: Annotated[bool, option("Output", "Overwrite an existing page.", "--force")] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Show what surprises a model in a text, what it expected instead, and what its units track.

    On a terminal: the text colored by surprise, and its ten most surprising
    characters. In a pipe: only these ten, tab-separated. With -o: an HTML page
    that also shows units, gates, attention and gradients.

    Example: charrnn explain ckpt.npz text.txt -o page.html
    """
    at_least("top", top, 1)
    to_file = out is not None and out != STDIO
    if out and to_file:
        refuse_output(out, [checkpoint, text], force)
        make_folder(out.parent, "--out")

    from ..checkpoint.reading import load
    from ..inspection import explanation as library  # imports NumPy and Numba
    from ..model.network import arithmetic_note
    from ..text.notes import Notes
    from .console import explain_compiling, note

    model, notes = load(checkpoint), Notes()
    note(arithmetic_note(model.network.config), quiet)
    ids, places, skipped = library.read(text, model, encoding, unknown, encoding_errors, notes)
    with explain_compiling(quiet):
        library.compile_kernels(model, page=out is not None)
    explained = library.explain(model, ids, checkpoint.name, top, places)
    per = symbol(model.vocabulary.level)
    note(f"{explained.summary}; {explained.bits[1:].mean():.4f} bits per {per}", quiet)
    for said in notes:
        note(said, quiet)
    if skipped:
        note(f"skipped {skipped:,} characters that the model lacks", quiet)
    if out:
        size = write_page(explained, out, quiet)
        note(f"wrote {out} ({size / 1e6:.1f} MB); open it in a browser", quiet or not to_file)
    else:
        from .surprise import show

        show(explained)


def write_page(explained: Explanation, out: Path, quiet: bool) -> int:
    """Write the page to a file, or to stdout for -.  Returns its size in bytes."""
    from ..inspection import page_file
    from ..inspection.page import render
    from ..inspection.page_data import data
    from .console import note

    if out == STDIO:
        page = render(data(explained))
        write(page)
        return len(page.encode())
    lacking: set[str] = set()
    size = page_file.write(explained, out, lacking)
    for text in sorted(lacking):
        note(text, quiet)
    return size
