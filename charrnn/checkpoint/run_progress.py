"""The progress of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LONGEST_HISTORY = 4096


@dataclass
class Progress:
    """The progress of a run: with the arrays of the last checkpoint, all that its future depends on."""

    step: int = 0
    chars: int = 0
    updates: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    stale: int = 0  # evaluations since the best one
    lr_scale: float = 1.0  # halved by plateaus and rewinds
    bad: int = 0  # steps skipped in a row
    rewinds: int = 0  # since the best model
    pending: bool = False  # an evaluation is due but was not finished
    seconds: float = 0.0  # the run took so far, if its schedule spans time
    schedule_step: int = 0  # the step at which the present learning rate schedule began
    schedule_s: float = 0.0  # and the seconds at which it began
    history: list[list[float]] = field(default_factory=list)  # [step, loss] of evaluations

    @property
    def evaluated(self) -> bool:
        """Whether the present state has been evaluated and there is a best model."""
        steps = {int(step) for step, _ in self.history}
        return bool(self.best) and not self.pending and self.step in steps | {self.best["step"]}

    def record(self, step: int, loss: float) -> None:
        """Record an evaluation; if there are very many, drop every other one of the older half."""
        self.history.append([step, loss])
        if len(self.history) > LONGEST_HISTORY:
            del self.history[: LONGEST_HISTORY // 2 : 2]
