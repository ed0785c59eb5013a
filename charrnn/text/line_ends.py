"""Line ends and marks of other systems: kept, since a text is read exactly, but said."""

from __future__ import annotations

import codecs

from ..errors import field
from .encodings import WIDE_FAMILY, without_mark
from .source import Source


class LineEnds:
    r"""Which a text has that comes block by block: \r\n, \n, or \r alone, as on very old Macs."""

    def __init__(self) -> None:
        self.seen = False  # \r\n: no more need be seen
        self._cr = self._lf = False
        self._last = ""

    def see(self, text: str) -> None:
        """The next block."""
        if self.seen:
            return
        if self._cr or self._last or "\r" in text:
            self._cr = True
            self.seen = "\r\n" in text or (self._last == "\r" and text.startswith("\n"))
        self._lf = self._lf or "\n" in text
        self._last = "\r" if text.endswith("\r") else ""

    def tell(self, source: Source, encoding: str) -> None:
        r"""A note of them, with a command that makes them \n."""
        if not self._cr or (self._lf and not self.seen):
            return
        found, command = (r"\r\n", r"tr -d '\r'") if self.seen else (r"\r", r"tr '\r' '\n'")
        remedy = source.through(*_as_utf8(encoding), command)
        source.notes.add(
            "line ends", rf"{source.name} has line ends of {found}, which are kept; for \n: {remedy}"
        )


def _as_utf8(encoding: str) -> list[str]:
    """tr works on bytes, of which those of wider characters are several."""
    name = "" if encoding == "bytes" else codecs.lookup(encoding).name
    if name not in WIDE_FAMILY:
        return []
    return [f"iconv -f {name.upper().replace('-LE', 'LE').replace('-BE', 'BE')} -t UTF-8"]


def mark_note(source: Source, encoding: str) -> str:
    """What to say of a byte order mark that a text begins with."""
    kept = f"{source.name} begins with a byte order mark"
    if encoding == "bytes":
        return f"{kept}, whose three bytes are kept; without them: {source.through('tail -c +4')}"
    other = without_mark(encoding)
    remedy = f"; {field('encoding', other)} leaves it out" if other else ""
    return f"{kept} (U+FEFF), which is kept as a character{remedy}"
