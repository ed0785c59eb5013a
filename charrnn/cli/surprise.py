"""A text coloured by how surprised a model was, and where it was most surprised."""

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

MOST = 10  # surprising characters
CONTEXT = 16  # characters before one
COLUMNS = 18  # that these have on a terminal
# bits below which a colour is taken: steps of cividis, which rise in brightness for the colour-blind too
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
    """To stdout: on a terminal the text in colour and a table; without colour the table; else fields."""
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
    """The MOST surprising characters, the most surprising first."""
    characters, bits, guesses = explained.characters, explained.bits.tolist(), explained.guesses
    rows = []
    for at in sorted(range(1, len(bits)), key=lambda at: -bits[at])[:MOST]:
        line, column = explained.places[at].tolist()
        before = "".join(characters[max(0, at - CONTEXT) : at])
        rows.append(Row(at, line, column, bits[at], before, characters[at], guesses[at]))
    return rows


def fields(row: Row) -> str:
    """A line for a pipe: line, column, bits, what stood before, the character, then guesses and chances."""
    guesses = [cell for guess, chance in row.guesses for cell in (field(guess), f"{chance:.6f}")]
    before = "".join(map(field, row.before))
    return (
        "\t".join([f"{row.line}\t{row.column}\t{row.bits:.6f}", before, field(row.character), *guesses])
        + "\n"
    )


def table(rows: list[Row], legible: list[str], bold: str) -> Table:
    """The rows for a person; legible: the text; bold: the style of what matters, or none."""
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
    """As many of the last as fit into COLUMNS."""
    fitting = ""
    for character in reversed(characters):
        longer = shown(character) + fitting
        if cell_len(longer) > COLUMNS:
            break
        fitting = longer
    return fitting


def shown(text: str) -> str:
    """Escaped, and with spaces that can be seen."""
    return visible(text).replace(" ", "\u2423")


def style(bits: float) -> str:
    return next((style for limit, style in SCALE if bits < limit), "")


def coloured(explained: Explanation) -> Text:
    """The text; a line end is marked, so that it has a colour too."""
    text = Text()
    pairs = zip(explained.legible, map(style, explained.bits.tolist()), strict=True)
    for name, group in groupby(pairs, key=lambda pair: pair[1]):
        part = visible("".join(character for character, _ in group), keep="\n\t")
        text.append(part.replace("\n", "\u21b5\n"), style=name)
    return text


def legend() -> Text:
    """What the colours mean."""
    text, low = Text("bits "), "0"
    for limit, name in SCALE:
        text.append(f" {low}-{limit:g} " if limit < float("inf") else f" {low} and more ", style=name)
        low = f"{limit:g}"
    return text
