"""Write the page of an explanation to a file."""

from __future__ import annotations

from pathlib import Path

from ..system.atomic import replacing
from .explanation import Explanation
from .page import render
from .page_data import data


def write(explained: Explanation, out: Path, lacking: set[str] | None = None) -> int:
    """Write a page, and return its size in bytes.  lacking: receives what the file system cannot do.

    Errors: OSError.
    """
    page = render(data(explained)).encode()
    with replacing(out, set() if lacking is None else lacking) as file:
        file.write(page)
    return len(page)
