"""--dry-run: describe a training run of any size without building its model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoint.names import RunNames
from ..parallel.ranks import Ranks
from ..system.stdio import name_of

if TYPE_CHECKING:
    from ..training.setup import Request


def show(request: Request, log: Path, quiet: bool, ranks: Ranks) -> None:
    """Print the data, model, cost and files of a run."""
    ranks.finish()
    if ranks.rank:
        return
    from ..checkpoint.npz import LARGEST
    from ..training import speed
    from ..training.setup import prepare
    from .console import explain_compiling, note
    from .output import visible
    from .run_figures import duration

    with explain_compiling(quiet):
        setup = prepare(request)
        for text in setup.notes:
            note(text, quiet)
        took = speed.seconds(setup.plan, request.processes)
    plan, names = setup.plan, RunNames.of(request.out)
    plan.of_rank(ranks, 0)  # fails if a rank would have nothing to do
    parts, model, config = plan.corpus, plan.model, plan.config
    looks = f", attention over {model.attention} steps" if model.attention else ""
    took = min(took, config.max_time or took)
    most = "at most " if config.schedule_over == "time" else ""
    beyond = f", above the limit of {LARGEST / 1e6:,.0f} MB" * (plan.saved_nbytes > LARGEST)
    for name, value in (
        ("characters", f"{parts['train']:,} train, {parts['val']:,} val, {parts['test']:,} test"),
        ("vocabulary", f"{parts['vocab']:,}"),
        ("model", f"{model.cell}, {model.num_layers} x {model.hidden_size} units{looks}, {model.dtype}"),
        ("fitted", visible(setup.origin.fitted)),
        ("parameters", f"{plan.layout.size:,}"),
        ("steps", f"{most}{plan.total_steps:,}, {plan.streams.chunks:,} per epoch"),
        ("memory", f"{plan.nbytes / 1e6:,.0f} MB plus the text"),
        ("checkpoint", f"{plan.saved_nbytes / 1e6:,.0f} MB{beyond}"),
        ("time", f"{duration(took)} on this machine, estimated from a few steps and validations"),
        ("output", f"{names.best}, {names.last}, {name_of(log, 'stdout')}"),
    ):
        if value:
            print(f"{name:<11} {value}")
