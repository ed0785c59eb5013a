"""A training run on the command line: set up, locked, logged, displayed and stopped by signals."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import cells
from ..parallel.ranks import Ranks
from ..system.stdio import STDIO
from ..training.events import Compiled, Event
from .file_checks import make_folder
from .log import JsonLog

if TYPE_CHECKING:
    from ..training.setup import Request
    from ..training.trainer import Trainer


def train(request: Request, log: Path, command: list[str], quiet: bool, ranks: Ranks) -> int:
    """Run the training, with its log and display.  Returns the exit code."""
    from ..training.run_lock import output
    from .console import note
    from .display import display
    from .stop_signals import Stopper

    first = not ranks.rank  # only rank 0 writes
    quiet = quiet or not first
    cells.find(request.model.cell)  # fails before a long text is read
    trainer = _trainer(request, command, quiet, ranks)
    note(trainer.team.note, quiet)
    for folder in {request.out.parent, log.parent} if first else ():
        make_folder(folder)

    def forget() -> None:
        """Remove the log of a run stopped before training, so that the same command may be given again."""
        if first and not request.resume and log != STDIO and log.is_file():
            log.unlink()

    with output(request.out) if first else nullcontext("") as lacking:
        if request.resume:
            note(trainer.resume(), quiet)
            quiet = _nothing_left(trainer, quiet) or quiet
        with (
            JsonLog(log, append=request.resume) if first else nullcontext(_ignore) as record,
            display(quiet, trainer.sample) as show,
            Stopper(trainer.stop, forget, quiet) as stopper,
        ):
            for text in sorted({lacking, record.lacking if isinstance(record, JsonLog) else ""}):
                note(text, quiet)
            stopper.training = not first  # until kernels are compiled, only rank 0 may exit
            for event in trainer.run():
                stopper.training |= isinstance(event, Compiled)
                record(event)
                show(event)
    code = ranks.allreduce_max(stopper.code)
    ranks.finish()
    return code


def _trainer(request: Request, command: list[str], quiet: bool, ranks: Ranks) -> Trainer:
    """Read and set up everything; rank 0 sends the others their part."""
    from ..training.trainer import Trainer

    if ranks.rank:
        return Trainer(ranks.scatter(None), request.out, ranks=ranks)
    from ..training.setup import prepare
    from .console import explain_compiling, note

    with explain_compiling(quiet):  # prepare may time some steps
        setup = prepare(request)
    for text in setup.notes:
        note(text, quiet)
    return Trainer(
        ranks.scatter(lambda rank: setup.plan.of_rank(ranks, rank)),
        request.out,
        network=setup.network,
        origin=replace(setup.origin, command=shlex.join(command)),
        ranks=ranks,
    )


def _nothing_left(trainer: Trainer, quiet: bool) -> bool:
    """Return whether no step is left, and print a note if so.

    The run then only repeats an evaluation that a kill may have cut short.
    """
    from ..training.resume import FALLING
    from .console import note

    reason = trainer.budget.reason_to_end(trainer.progress, stopped=False)
    if reason not in ("epochs", "steps") and not (reason == "time" and trainer.budget.over_time):
        return False
    step, total = trainer.progress.step, trainer.plan.total_steps
    done = "its time is up" if reason == "time" else f"{step:,} of {total:,} steps are done"
    more = {"epochs": "--epochs", "steps": "--max-steps", "time": "--max-time"}[reason]
    anew = " with a new learning-rate schedule" * (trainer.config.lr_schedule in FALLING)
    note(f"nothing left to do: {done}; raise {more} to continue{anew}", quiet)
    return True


def _ignore(event: Event) -> None:
    """Do nothing: rank 0 keeps the log."""
