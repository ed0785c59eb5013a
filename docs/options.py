"""Print docs/options.md, the reference of the command line, from the help texts of the program."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import typer

from charrnn import cells
from charrnn.cli.main import program

HEAD = """\
# Commands and options

Generated from the program's help texts: `python docs/options.py > docs/options.md`."""
CELLS = "`charrnn train --help` lists them"
KINDS = {int: "integer", float: "number", str: "text", Path: "path", bool: ""}


def page() -> Iterator[str]:
    """Yield the blocks of the page, to be separated by empty lines."""
    group: Any = typer.main.get_command(program())
    yield HEAD
    yield from section("charrnn", group)
    for name, command in group.commands.items():
        yield from section(f"charrnn {name}", command)


def section(title: str, command: Any) -> Iterator[str]:
    """Yield the blocks of a command: what it does, an example, and a table for each panel of options."""
    text, _, example = f"{command.help}\n\n{command.epilog or ''}".partition("Example: ")
    yield f"## {title}"
    yield text.strip()
    yield f"```\n{example.strip()}\n```"
    kinds = get_type_hints(command.callback)
    groups: dict[str, list[Any]] = {}
    for parameter in command.params:
        kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
        groups.setdefault(parameter.rich_help_panel or kind, []).append(parameter)
    for group, parameters in groups.items():
        rows = [row(parameter, kinds.get(parameter.name, bool)) for parameter in parameters]
        yield "\n".join([f"| {group} | type | default | |", "| --- | --- | --- | --- |", *rows])


def row(parameter: Any, kind: Any) -> str:
    """Return the row of a parameter."""
    text = parameter.help.replace("\\", r"\\").replace("|", r"\|").replace(", ".join(cells.names()), CELLS)
    entries = (spelling(parameter), named(kind), default(parameter), text)
    return "|" + "|".join(f" {entry} " if entry else " " for entry in entries) + "|"


def spelling(parameter: Any) -> str:
    """Return the names of an option, or the metavar of an argument."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}{'...' if parameter.nargs < 0 else ''}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def named(kind: Any) -> str:
    """Name a type; list[Path], int | None and the like by the type inside."""
    inner = [part for part in get_args(kind) if part is not type(None)]
    return named(inner[0]) if get_origin(kind) and inner else KINDS[kind]


def default(parameter: Any) -> str:
    """Return the default as typed; nothing for a flag that is off, or where the help names the default."""
    value, shown = parameter.default, getattr(parameter, "show_default", True)
    if isinstance(shown, str):
        return shown
    if value is None or value is False or not shown:
        return ""
    if value is True:
        return f"`{parameter.opts[0]}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value != "" else '`""`'


if __name__ == "__main__":
    sys.stdout.write("\n\n".join(page()) + "\n")
