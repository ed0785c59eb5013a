"""What was asked for, on stdout: exact bytes into a pipe, nothing harmful on a terminal."""

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
    """A stream the caller closed (`>&-`) is None in Python, and the next file opened would take its number.

    /dev/null takes it instead; in stdout's place for reading alone, so that writing results fails.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
            if null != number:
                os.dup2(null, number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.stdout.flush()
    raw: Any = _Stdout(sys.stdout.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(  # UTF-8 whatever the locale
        io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=raw.isatty()
    )


class _Stdout(io.FileIO):
    """Says in its errors whose they are."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = "stdout"
            raise


def drop_unwritten() -> None:
    """Flush stdout; what it does not take is dropped, or the interpreter would try, and fail, once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write(text: str, last: bool = False) -> None:
    """Text of a model, at once: UTF-8 whatever the locale; escaped where it could steer a terminal.

    last: nothing comes after, for which the half of a line end would wait.
    """
    if sys.stdout.isatty():
        text = _TERMINAL.show(text, last)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def json_line(value: Any) -> str:
    """One JSON document in ASCII, for any locale and terminal, that every reader takes.

    A figure that is not finite becomes null.  Bytes that are no UTF-8, in a text as lone surrogates, become
    U+FFFD; then an entry NAME of an object has an entry NAME_bytes beside it, the exact bytes in base64.
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
    """Of a text that is no Unicode, the bytes it stands for."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # what stands for no byte, as a stranger's file may have it
        return text.encode("utf-8", "surrogatepass")
