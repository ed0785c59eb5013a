"""A training run as the command line does it: set up, locked, logged, shown, and stopped by signals."""

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
    """Train, log and show it; the exit code."""
    from ..training.run_lock import output
    from .console import note
    from .display import display
    from .stop_signals import Stopper

    first = not ranks.rank  # who alone writes
    quiet = quiet or not first
    cells.find(request.model.cell)  # before a text is read that may be long
    trainer = _trainer(request, command, quiet, ranks)
    note(trainer.team.note, quiet)
    for folder in {request.out.parent, log.parent} if first else ():
        make_folder(folder)

    def forget() -> None:
        """Nothing was trained: the same command is to find no results of an older run."""
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
            stopper.training = not first  # while kernels compile, rank 0 decides
            for event in trainer.run():
                stopper.training |= isinstance(event, Compiled)
                record(event)
                show(event)
    code = ranks.allreduce_max(stopper.code)
    ranks.finish()
    return code


def _trainer(request: Request, command: list[str], quiet: bool, ranks: Ranks) -> Trainer:
    """Everything read and set up; rank 0 gives the others their part."""
    from ..training.trainer import Trainer

    if ranks.rank:
        return Trainer(ranks.scatter(None), request.out, ranks=ranks)
    from ..training.setup import prepare
    from .console import explain_compiling, note

    with explain_compiling(quiet):  # to see how fast the machine is
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
    """Whether no step is left, which is said; to run then makes up for an evaluation that a kill took."""
    from ..training.resume import FALLING
    from .console import note

    reason = trainer.budget.reason_to_end(trainer.progress, stopped=False)
    if reason not in ("epochs", "steps") and not (reason == "time" and trainer.budget.over_time):
        return False
    step, total = trainer.progress.step, trainer.plan.total_steps
    done = "its time is up" if reason == "time" else f"{step:,} of {total:,} steps are done"
    more = {"epochs": "--epochs", "steps": "--max-steps", "time": "--max-time"}[reason]
    anew = ", with a learning rate that begins anew" * (trainer.config.lr_schedule in FALLING)
    note(f"nothing left to do: {done}; to go on{anew}, raise {more}", quiet)
    return True


def _ignore(event: Event) -> None:
    """Rank 0 records it."""
