"""How commands declare their options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer


def option(group: str, text: str, *names: str, choices: Sequence[str] = (), **more: Any) -> Any:
    """An option in a group of --help.  choices: what a shell completes its value to."""
    if choices:
        more["autocompletion"] = lambda: [*choices]
    return typer.Option(*names, help=text, rich_help_panel=group, **more)
