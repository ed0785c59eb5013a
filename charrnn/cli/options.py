"""How commands declare their options, and how the command line spells fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from ..config import DTYPES, ENCODING_ERRORS, one_of

FITTED = "fitted to the text"


def option(group: str, text: str, *names: str, choices: Sequence[str] = (), **more: Any) -> Any:
    """An option in a group of --help.  choices: any other value is refused, and a shell completes these."""
    if choices:
        more["autocompletion"] = lambda: [*choices]
        more["callback"] = _only(choices)
    return typer.Option(*names, help=text, rich_help_panel=group, **more)


def fitted_option(group: str, text: str) -> Any:
    """One that, when it is not given, follows from the text: training/fitting.py."""
    return option(group, text, show_default=FITTED)


def encoding_errors_option(group: str) -> Any:
    text = "Bytes that are not in it: strict (an error), replace by U+FFFD, or skip."
    return option(group, text, choices=ENCODING_ERRORS)


def dtype_option() -> Any:
    """Of commands that use a model, which has one."""
    return option("Run", "Of products: float32 or bfloat16; by default the model's own.", choices=DTYPES)


def _only(choices: Sequence[str]) -> Any:
    """A check of an option's value; nothing, where that is the default, passes."""

    def check(parameter: typer.CallbackParam, value: str | None) -> str | None:
        if value:
            one_of(parameter.opts[0].removeprefix("--").replace("-", "_"), value, choices)
        return value

    return check


def spelled(name: str, value: str = "") -> str:
    """A field as the command line has it: `--top-k`, `--unknown skip`."""
    return f"--{name.replace('_', '-')}" + (f" {value}" if value else "")
