"""Where a training run stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LONGEST_HISTORY = 4096


@dataclass
class Progress:
    """Where a run stands: with the arrays of the last checkpoint, all that the future depends on."""

    step: int = 0
    chars: int = 0
    updates: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    stale: int = 0  # evaluations since the best
    lr_scale: float = 1.0  # halved by plateaus and rewinds
    bad: int = 0  # steps in a row that were not learned
    rewinds: int = 0  # since the best model
    pending: bool = False  # an evaluation is due, and was not finished
    seconds: float = 0.0  # that it took until then, where the schedule spans them
    schedule_step: int = 0  # where the present schedule of the learning rate began,
    schedule_s: float = 0.0  # and at which of the seconds
    history: list[list[float]] = field(default_factory=list)  # [step, loss] of evaluations

    @property
    def evaluated(self) -> bool:
        """Whether the present state has been evaluated, and the best is known."""
        steps = {int(step) for step, _ in self.history}
        return bool(self.best) and not self.pending and self.step in steps | {self.best["step"]}

    def record(self, step: int, loss: float) -> None:
        """An evaluation; of very many, every other one of the older half is forgotten."""
        self.history.append([step, loss])
        if len(self.history) > LONGEST_HISTORY:
            del self.history[: LONGEST_HISTORY // 2 : 2]
