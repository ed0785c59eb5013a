"""Escape characters that could control a terminal or disguise text."""

from __future__ import annotations

import re
import unicodedata

# format characters that spelling needs: joiners (Persian, emoji), direction marks, which move only adjacent
# characters without a direction of their own, and the Mongolian vowel separator
SPELLING = "\u200c\u200d\u200e\u200f\u061c\u180e"
SIGNS = (
    "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"  # visible, though of category Cf too
)
# reserved for emoji, other pictures and ideographs; an older Python does not know the newest
TO_COME = ((0x1F000, 0x1FFFD), (0x20000, 0x2FFFD), (0x30000, 0x3FFFD))
# a flag is a black flag, invisible letters and digits, and an end tag; alone, these could hide text
BLACK_FLAG, TAGS, END = "\U0001f3f4", "\U000e0030-\U000e0039\U000e0061-\U000e007a", "\U000e007f"
FLAG = re.compile(f"{BLACK_FLAG}[{TAGS}]{{3,6}}{END}")
BEGUN = re.compile(rf"({BLACK_FLAG}[{TAGS}]{{0,6}}|\r)\Z")  # an incomplete flag or two-character line end
SEEN = re.compile(f"[{SPELLING}{SIGNS}]")


def visible(text: str, keep: str = "") -> str:
    """Escape what could control a terminal or disguise text, except the characters of `keep`.

    Escaped are control, format (including bidirectional embeddings, overrides and isolates), private and
    unassigned characters, lone surrogates and odd line ends.  Spaces of any width stay, and so does what
    spelling needs: joiners, direction marks, flags, and emoji that are too new for this Python.
    """
    hidden = {c for c in set(text) if not c.isprintable() and not _harmless(c)}.difference(keep)
    escapes = {ord(c): _escape(c) for c in hidden}
    if END not in hidden:
        return text.translate(escapes)
    parts, at = [], 0
    for flag in FLAG.finditer(text):
        parts += [text[at : flag.start()].translate(escapes), flag[0]]
        at = flag.end()
    return "".join([*parts, text[at:].translate(escapes)])


def whole(text: str) -> int:
    """Return the length of a partial text up to a flag or line end that may be incomplete."""
    begun = BEGUN.search(text)
    return begun.start() if begun else len(text)


def _harmless(character: str) -> bool:
    match unicodedata.category(character):
        case "Zs":
            return True
        case "Cf":
            return bool(SEEN.match(character))
        case "Cn":
            return any(first <= ord(character) <= last for first, last in TO_COME)
    return False


def legible(text: str) -> str:
    r"""Apply `visible` to a text of several lines, with \n or \r\n as line ends."""
    return visible(text.replace("\r\n", "\n"), keep="\n\t")


class LegibleStream:
    """Apply `legible` to a text that comes in parts; an incomplete end waits for the next part."""

    def __init__(self) -> None:
        self._held = ""

    def show(self, text: str, last: bool = False) -> str:
        """Return what can be shown so far.  last: whether this is the last part."""
        text = self._held + text
        end = len(text) if last else whole(text)
        self._held = text[end:]
        return legible(text[:end])


def _escape(character: str) -> str:
    """Return a Python escape; a lone surrogate that stands for a non-UTF-8 byte becomes that byte."""
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return repr(character)[1:-1]
