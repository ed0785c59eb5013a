"""Characters that could steer a terminal, or look like something else, as escapes."""

from __future__ import annotations

import re
import unicodedata

# format characters that texts are spelled with: joiners (Persian, emoji), marks of direction, which move
# nothing but what has no direction of its own beside them, and Mongolian's vowel separator
SPELLING = "\u200c\u200d\u200e\u200f\u061c\u180e"
SIGNS = "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"  # seen, though of that category too
# what Unicode keeps for emoji, other pictures and ideographs: the newest are unassigned for an older Python
TO_COME = ((0x1F000, 0x1FFFD), (0x20000, 0x2FFFD), (0x30000, 0x3FFFD))
# a flag is a black flag, letters and digits that are not seen, and their end; alone they could hide a text
BLACK_FLAG, TAGS, END = "\U0001f3f4", "\U000e0030-\U000e0039\U000e0061-\U000e007a", "\U000e007f"
FLAG = re.compile(f"{BLACK_FLAG}[{TAGS}]{{3,6}}{END}")
BEGUN = re.compile(rf"({BLACK_FLAG}[{TAGS}]{{0,6}}|\r)\Z")  # a flag, or a line end of two characters
SEEN = re.compile(f"[{SPELLING}{SIGNS}]")


def visible(text: str, keep: str = "") -> str:
    """`text` with what could steer a terminal, or look like something else, as escapes, but for `keep`.

    These are control, format (bidirectional embeddings, overrides and isolates among them), private and
    unassigned characters, lone surrogates and odd line ends.  Spaces of any width may stay, and so may what
    texts are spelled with: joiners, marks of direction, flags, and emoji that are too new for this Python.
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
    """How much of a text that goes on ends in nothing cut short."""
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
    r"""Text of several lines, `visible`; its line ends may be \r\n."""
    return visible(text.replace("\r\n", "\n"), keep="\n\t")


class LegibleStream:
    """Text that comes in parts, `legible`: what a part cuts short waits for the next."""

    def __init__(self) -> None:
        self._held = ""

    def show(self, text: str, last: bool = False) -> str:
        """What can be shown by now; last: nothing comes after."""
        text = self._held + text
        end = len(text) if last else whole(text)
        self._held = text[end:]
        return legible(text[:end])


def _escape(character: str) -> str:
    """As in a Python string; a byte that is no UTF-8, kept as a lone surrogate, as that byte."""
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return repr(character)[1:-1]
