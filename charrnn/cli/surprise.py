"""A text colored by the model's surprise, and a table of its most surprising characters."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from .console import stdout
from .evaluate import field
from .output import visible, write

if TYPE_CHECKING:
    from ..inspection.explanation import Explanation

MOST = 10  # surprising characters in the table
CONTEXT = 16  # characters shown before each
COLUMNS = 18  # columns for these on a terminal
# upper limit in bits of each color: steps of cividis, whose brightness rises for color-blind readers too
SCALE = [
    (1.0, "#ffffff on #00224e"),
    (2.0, "#ffffff on #35456c"),
    (4.0, "#ffffff on #5f636e"),
    (6.0, "#000000 on #948e77"),
    (8.0, "#000000 on #c8b866"),
    (float("inf"), "#000000 on #fee838"),
]


class Row(NamedTuple):
    """A surprising character; line and column count from 1, `at` from 0."""

    at: int
    line: int
    column: int
    bits: float
    before: str
    character: str
    guesses: list[tuple[str, float]]


def show(explained: Explanation) -> None:
    """Print to stdout: on a terminal the text in color, if it has color, and a table; else fields."""
    rows, console = surprises(explained), stdout()
    if not sys.stdout.isatty():
        write("".join(fields(row) for row in rows))
        return
    colour = bool(console.color_system) and not console.no_color
    if colour:
        console.print(coloured(explained), soft_wrap=True)
        console.print(legend(), end="\n\n")
    console.print(table(rows, explained.legible, "bold" if colour else ""))


def surprises(explained: Explanation) -> list[Row]:
    """Return the MOST surprising characters, the most surprising first."""
    characters, bits, guesses = explained.characters, explained.bits.tolist(), explained.guesses
    rows = []
    for at in sorted(range(1, len(bits)), key=lambda at: -bits[at])[:MOST]:
        line, column = explained.places[at].tolist()
        before = "".join(characters[max(0, at - CONTEXT) : at])
        rows.append(Row(at, line, column, bits[at], before, characters[at], guesses[at]))
    return rows


def fields(row: Row) -> str:
    """Return a line for a pipe: line, column, bits, text before, character, guesses with probabilities."""
    guesses = [cell for guess, chance in row.guesses for cell in (field(guess), f"{chance:.6f}")]
    before = "".join(map(field, row.before))
    return (
        "\t".join([f"{row.line}\t{row.column}\t{row.bits:.6f}", before, field(row.character), *guesses])
        + "\n"
    )


def table(rows: list[Row], legible: list[str], bold: str) -> Table:
    """Return the table for a terminal.  legible: the text's characters.  bold: a style, or nothing."""
    result = Table(box=None, header_style=bold, pad_edge=False)
    for name in ("line", "column", "bits", "after"):
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("came", style=bold, no_wrap=True)
    result.add_column("expected", overflow="fold")
    for row in rows:
        guesses = [f"{shown(guess)}:{chance:.3f}" for guess, chance in row.guesses]
        told = (ending(legible[max(0, row.at - CONTEXT) : row.at]), shown(row.character))
        cells = [str(row.line), str(row.column), f"{row.bits:.2f}", *told, "  ".join(guesses)]
        result.add_row(*map(Text, cells))
    return result


def ending(characters: list[str]) -> str:
    """Return as many of the last characters as fit into COLUMNS."""
    fitting = ""
    for character in reversed(characters):
        longer = shown(character) + fitting
        if cell_len(longer) > COLUMNS:
            break
        fitting = longer
    return fitting


def shown(text: str) -> str:
    """Return a text with escapes and visible spaces."""
    return visible(text).replace(" ", "\u2423")


def style(bits: float) -> str:
    """Return the color of a surprise."""
    return next((style for limit, style in SCALE if bits < limit), "")


def coloured(explained: Explanation) -> Text:
    """Return the text in color; line ends are marked, so that they have a color too."""
    text = Text()
    pairs = zip(explained.legible, map(style, explained.bits.tolist()), strict=True)
    for name, group in groupby(pairs, key=lambda pair: pair[1]):
        part = visible("".join(character for character, _ in group), keep="\n\t")
        text.append(part.replace("\n", "\u21b5\n"), style=name)
    return text


def legend() -> Text:
    """Return the meaning of the colors."""
    text, low = Text("bits "), "0"
    for limit, name in SCALE:
        text.append(f" {low}-{limit:g} " if limit < float("inf") else f" {low} and more ", style=name)
        low = f"{limit:g}"
    return text
