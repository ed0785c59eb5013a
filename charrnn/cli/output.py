"""Results on stdout: exact bytes in a pipe, nothing harmful on a terminal."""

from __future__ import annotations

import base64
import io
import math
import os
import re
import sys
from typing import Any

from ..system.terminal import LegibleStream
from ..system.terminal import visible as visible

SURROGATE = re.compile("[\ud800-\udfff]")

_TERMINAL = LegibleStream()


def open_closed_streams() -> None:
    """Open /dev/null in place of standard streams that the caller closed (`>&-`).

    Python has None for them, and the next file opened would take their number.  For stdout, /dev/null is
    opened for reading only, so that writing results fails.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
            if null != number:
                os.dup2(null, number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.stdout.flush()
    raw: Any = _Stdout(sys.stdout.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(  # UTF-8 in every locale
        io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=raw.isatty()
    )


class _Stdout(io.FileIO):
    """Stdout, named in its errors."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = "stdout"
            raise


def drop_unwritten() -> None:
    """Flush stdout, and drop what cannot be written: the interpreter would try again at exit, and fail."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(text: str, last: bool = False) -> None:
    """Write a model's text immediately, as UTF-8 in every locale; a terminal gets control characters escaped.
    last: no more text follows, so that half a line end need not wait for the other half.
    """
    if sys.stdout.isatty():
        text = _TERMINAL.show(text, last)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def json_line(value: Any) -> str:
    """Return one JSON document in ASCII, valid for every reader, locale and terminal.

    Numbers that are not finite become null.  Lone surrogates, which stand for bytes that are not UTF-8,
    become U+FFFD; an object's entry NAME then gets a companion NAME_bytes, the exact bytes in base64.
    """
    import json

    return json.dumps(_strict(value), allow_nan=False)


def _strict(value: Any) -> Any:
    match value:
        case dict():
            made = {}
            for key, entry in value.items():
                made[key] = _strict(entry)
                if isinstance(entry, str) and made[key] != entry:
                    made[f"{key}_bytes"] = base64.b64encode(_exact(entry)).decode()
            return made
        case list() | tuple():
            return [_strict(entry) for entry in value]
        case str():
            return SURROGATE.sub("\ufffd", value)
        case float() if not math.isfinite(value):
            return None
    return value


def _exact(text: str) -> bytes:
    """Return the bytes that a text with lone surrogates stands for."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte, in a file from anywhere
        return text.encode("utf-8", "surrogatepass")
