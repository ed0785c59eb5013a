r"""Escapes in options, for what a shell does not expand in single quotes, such as '\n'."""

from __future__ import annotations

import re

NAMED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\"}
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([ntr0\\]))")


def unescaped(text: str, level: str = "char") -> str:
    r"""Expand \n \t \r \0 \\ \xNN \uNNNN \UNNNNNNNN; any other backslash stays.

    level: of the model; for a byte model \xNN is that byte.
    """

    def read(found: re.Match[str]) -> str:
        byte, short, long, name = found.groups()
        if name:
            return NAMED[name]
        point = int(byte or short or long, 16)
        if byte and level == "byte" and point > 127:
            point += 0xDC00
        elif point > 0x10FFFF or 0xD800 <= point < 0xE000:
            return found[0]  # not a character
        return chr(point)

    return _as_bytes(ESCAPE.sub(read, text)) if level == "byte" else ESCAPE.sub(read, text)


def _as_bytes(text: str) -> str:
    """Join bytes that form a character in UTF-8, as a byte model's text has them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
