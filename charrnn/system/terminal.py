"""Characters that could steer a terminal, or look like something else, as escapes."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"  # zero-width: Persian is spelled with one, emoji are joined by the other


def visible(text: str, keep: str = "") -> str:
    """`text` with what could steer a terminal, or look like something else, as escapes, but for `keep`.

    These are control, format (bidirectional ones among them), private and unassigned characters, lone
    surrogates and odd line ends; spaces of any width may stay, and so may JOINERS.
    """
    hidden = {c for c in set(text) if not c.isprintable() and unicodedata.category(c) != "Zs"}
    return text.translate({ord(c): _escape(c) for c in hidden.difference(keep, JOINERS)})


def legible(text: str) -> str:
    r"""Text of several lines, `visible`; its line ends may be \r\n."""
    return visible(text.replace("\r\n", "\n"), keep="\n\t")


class LegibleStream:
    r"""Text that comes in parts, `legible`: a \r that ends a part waits for what comes."""

    def __init__(self) -> None:
        self._held = ""

    def show(self, text: str, last: bool = False) -> str:
        """What can be shown by now; last: nothing comes after."""
        text, held = self._held + text, "\r"
        self._held = held if text.endswith(held) and not last else ""
        return legible(text.removesuffix(self._held))


def _escape(character: str) -> str:
    """As in a Python string; a byte that is no UTF-8, kept as a lone surrogate, as that byte."""
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return repr(character)[1:-1]
