"""The page of `charrnn explain`: one file with data, style and script, which loads nothing else."""

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
    """Return the page that shows `data` from page_data.py.

    Its policy allows only this script and style, by their digests, and loads nothing. Text from a stranger
    therefore stays data.
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
    """Return JSON in ASCII; without "<", it cannot end or open an element."""
    lags = [lag | {"norms": [_finite(norm) for norm in lag["norms"]]} for lag in data["lags"]]
    return json.dumps(data | {"lags": lags}, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _finite(norm: float) -> float | None:
    """Replace infinity and NaN, from exploding gradients, by None; JSON lacks them."""
    return norm if math.isfinite(norm) else None
