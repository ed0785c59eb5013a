"""Escapes in options: what single quotes keep from the shell."""

from __future__ import annotations

import re

NAMED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\"}
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([ntr0\\]))")


def unescaped(text: str, level: str = "char") -> str:
    r"""With \n \t \r \0 \\ \xNN \uNNNN \UNNNNNNNN read; any other backslash stays as it is.

    level: of the model; to one of bytes \xNN is that byte, as it is shown.
    """

    def read(found: re.Match[str]) -> str:
        byte, short, long, name = found.groups()
        if name:
            return NAMED[name]
        point = int(byte or short or long, 16)
        if byte and level == "byte" and point > 127:
            point += 0xDC00
        elif point > 0x10FFFF or 0xD800 <= point < 0xE000:
            return found[0]  # no character
        return chr(point)

    return _as_bytes(ESCAPE.sub(read, text)) if level == "byte" else ESCAPE.sub(read, text)


def _as_bytes(text: str) -> str:
    """Bytes that are UTF-8 together are that character: as a model of bytes writes its text."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
