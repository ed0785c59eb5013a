"""The page of `charrnn explain`: one file with its data, style and script, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

PARTS = Path(__file__).parent / "page_assets"
SCRIPTS = ["colour.js", "plot.js", "text.js", "main.js"]


def render(data: dict[str, Any]) -> str:
    """The page that shows `data`, which page_data.py describes.

    Its policy lets the browser run this very script and style and load nothing; a stranger's text stays data.
    """
    style, script = _part("page.css"), "\n".join(map(_part, SCRIPTS))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {"policy": policy, "style": style, "script": script, "data": _embedded(data)}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _part("page.html"))


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def _embedded(data: dict[str, Any]) -> str:
    """JSON in ASCII; without "<", nothing in it can end or open an element."""
    lags = [lag | {"norms": [_finite(norm) for norm in lag["norms"]]} for lag in data["lags"]]
    return json.dumps(data | {"lags": lags}, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _finite(norm: float) -> float | None:
    """Gradients that explode leave JSON's numbers."""
    return norm if math.isfinite(norm) else None
