"""Notes on line ends and byte order marks of other systems: kept, because texts are read exactly."""

from __future__ import annotations

import codecs

from ..errors import field
from .encodings import WIDE_FAMILY, without_mark
from .source import Source


class LineEnds:
    r"""The line ends of a text that arrives block by block: \r\n, \n, or \r alone, as on very old Macs."""

    def __init__(self) -> None:
        self.seen = False  # \r\n was found: nothing more to look for
        self._cr = self._lf = False
        self._last = ""

    def see(self, text: str) -> None:
        """Look at the next block."""
        if self.seen:
            return
        if self._cr or self._last or "\r" in text:
            self._cr = True
            self.seen = "\r\n" in text or (self._last == "\r" and text.startswith("\n"))
        self._lf = self._lf or "\n" in text
        self._last = "\r" if text.endswith("\r") else ""

    def tell(self, source: Source, encoding: str) -> None:
        r"""Add a note about line ends other than \n, with a command that converts them."""
        if not self._cr or (self._lf and not self.seen):
            return
        found, command = (r"\r\n", r"tr -d '\r'") if self.seen else (r"\r", r"tr '\r' '\n'")
        remedy = source.through(*_as_utf8(encoding), command)
        source.notes.add(
            "line ends",
            rf"{source.name} has {found} line ends, which are kept; to convert them to \n: {remedy}",
        )


def _as_utf8(encoding: str) -> list[str]:
    """Return a filter to UTF-8 for encodings of several bytes per character: tr works on bytes."""
    name = "" if encoding == "bytes" else codecs.lookup(encoding).name
    if name not in WIDE_FAMILY:
        return []
    return [f"iconv -f {name.upper().replace('-LE', 'LE').replace('-BE', 'BE')} -t UTF-8"]


def mark_note(source: Source, encoding: str) -> str:
    """Return the note about a byte order mark at the start of a file."""
    kept = f"{source.name} begins with a byte order mark"
    if encoding == "bytes":
        return f"{kept}, which is kept as three bytes; to remove it: {source.through('tail -c +4')}"
    other = without_mark(encoding)
    remedy = f"; {field('encoding', other)} removes it" if other else ""
    return f"{kept} (U+FEFF), which is kept as a character{remedy}"
