"""The page of an explanation as a file."""

from __future__ import annotations

from pathlib import Path

from ..system.atomic import replacing
from .explanation import Explanation
from .page import render
from .page_data import data


def write(explained: Explanation, out: Path, lacking: set[str] | None = None) -> int:
    """The size in bytes.  lacking: gets what the file system cannot do.  Errors: OSError."""
    page = render(data(explained)).encode()
    with replacing(out, set() if lacking is None else lacking) as file:
        file.write(page)
    return len(page)
