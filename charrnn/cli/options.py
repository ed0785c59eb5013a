"""How commands declare their options."""

from __future__ import annotations

from typing import Any

import typer


def option(group: str, text: str, *names: str, **more: Any) -> Any:
    """An option in a group of --help."""
    return typer.Option(*names, help=text, rich_help_panel=group, **more)
