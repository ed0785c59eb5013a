"""charrnn runs"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import LogError
from ..plotting.curves import differing, epoch, names, spelled
from ..training.logs import OVERFITTED, Run, read
from .file_checks import refuse_to_read_stdin_twice
from .options import option
from .output import json_line, visible

NONE = "-"
FIGURE = re.compile(rf"[{NONE}\d](.*\d)?")  # entries aligned to the right


def runs(
    logs: Annotated[
        list[Path],
        typer.Argument(metavar="LOG", help="Training logs (.jsonl) written by charrnn train; - is stdin."),
    ],
    as_json: Annotated[bool, option("Output", "Print the results as one JSON document.", "--json")] = False,
    quiet: Annotated[bool, option("Output", "Print no notes on stderr.", "--quiet", "-q")] = False,
) -> None:
    """Compare training runs: best validation first, with the options in which the runs differ.

    Losses are in nats per character. "+5%" after the last validation loss means
    that it is 5% above the best.

    Example: charrnn runs checkpoints/*.jsonl
    """
    refuse_to_read_stdin_twice(logs)
    found = sorted(gather(logs, quiet), key=lambda run: run.best.loss if run.best else inf)
    print(json_line(facts(found)) if as_json else "\n".join(table(found)))


def gather(logs: Sequence[Path], quiet: bool) -> list[Run]:
    """Return the runs of all logs.  Skips other files, since *.jsonl may match samples too.

    Errors: TextError; LogError if no file is a log.
    """
    found: list[Run] = []
    others: list[LogError] = []
    for log in logs:
        try:
            found += read(log)
        except LogError as error:
            others.append(error)
    if not found:
        raise others[0]
    notes = [f"skipped: {error}" for error in others]
    if len({run.text for run in found}) > 1:
        notes.append("the runs used different texts, so their losses cannot be compared")
    if notes:
        from .console import note  # imports Rich, which is slow

        for text in notes:
            note(text, quiet)
    return found


def facts(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the runs as JSON values."""
    differ = differing(runs)
    return [
        {
            "name": Path(run.name).name,
            "log": run.log,
            "best": run.best
            and {
                "step": run.best.step,
                "epoch": run.best.epoch,
                "loss": run.best.loss,
                "bpc": run.best.bpc,
            },
            "last": run.val[-1].loss if run.val else None,
            "test": run.test,
            "epochs": run.epochs,
            "seconds": run.seconds,
            "ended": run.ended or None,
            "sha256": run.text,
            "differs": {name: run.config[name] for name in differ if name in run.config},
            "config": run.config,
        }
        for run in runs
    ]


def table(runs: Sequence[Run]) -> list[str]:
    """Return the lines of the table, without columns that are empty for all runs."""
    differ = differing(runs)
    options = [[spelled(run.config.get(name, NONE)) for run in runs] for name in differ]
    figures = zip(*map(row, runs), strict=True)
    heads = ["best", "bpc", "epoch", "last", "test", "seconds", "ended", *differ, "log"]
    columns = [
        [visible(entry) or NONE for entry in (head, *column)]
        for head, column in zip(heads, [*figures, *options, names(runs)], strict=True)
        if {*column} != {NONE}
    ]
    return ["  ".join(line).rstrip() for line in zip(*map(aligned, columns), strict=True)]


def row(run: Run) -> list[str]:
    """Return a run's figures and how it ended, as entries of a row."""
    best, last = run.best, run.val[-1].loss if run.val else None
    over = f" +{last / best.loss - 1:.0%}" if best and last and last > OVERFITTED * best.loss > 0 else ""
    return [
        nats(best and best.loss),
        nats(best and best.bpc),
        f"{epoch(best.epoch) if best else NONE} of {epoch(run.epochs)}",
        nats(last) + over,
        nats(run.test),
        f"{run.seconds:.1f}",
        run.ended or "running",
    ]


def nats(loss: float | None) -> str:
    """Return a loss as an entry."""
    return NONE if loss is None else f"{loss:.4f}"


def aligned(column: Sequence[str]) -> list[str]:
    """Pad a column's entries to the same width; numbers are aligned to the right."""
    width = max(map(len, column))
    right = all(map(FIGURE.fullmatch, column[1:]))
    return [entry.rjust(width) if right else entry.ljust(width) for entry in column]
