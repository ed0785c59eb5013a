"""Helpers that declare command-line options, and the command line's spelling of field names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from ..config import DTYPES, ENCODING_ERRORS, one_of

FITTED = "fitted to the text"


def option(group: str, text: str, *names: str, choices: Sequence[str] = (), **more: Any) -> Any:
    """Declare an option, listed in a panel of --help.

    choices: the only values accepted; shells complete them.
    """
    if choices:
        more["autocompletion"] = lambda: [*choices]
        more["callback"] = _only(choices)
    return typer.Option(*names, help=text, rich_help_panel=group, **more)


def fitted_option(group: str, text: str) -> Any:
    """Declare an option whose default depends on the text: see training/fitting.py."""
    return option(group, text, show_default=FITTED)


def encoding_errors_option(group: str) -> Any:
    text = "Undecodable bytes: strict (an error), replace (with U+FFFD), or skip (leave out)."
    return option(group, text, choices=ENCODING_ERRORS)


def dtype_option() -> Any:
    """Declare --dtype for a command that loads a model."""
    text = "Precision of matrix products: float32 or bfloat16; default: the model's own."
    return option("Run", text, choices=DTYPES)


def _only(choices: Sequence[str]) -> Any:
    """Return a callback that refuses values outside `choices`; None and the empty string pass."""

    def check(parameter: typer.CallbackParam, value: str | None) -> str | None:
        if value:
            one_of(parameter.opts[0].removeprefix("--").replace("-", "_"), value, choices)
        return value

    return check


def spelled(name: str, value: str = "") -> str:
    """Spell a field as an option: `--top-k`, `--unknown skip`."""
    return f"--{name.replace('_', '-')}" + (f" {value}" if value else "")
