"""The budget of a run: when it ends, and how the learning rate falls until then."""

from __future__ import annotations

from dataclasses import dataclass

from ..checkpoint.run_progress import Progress
from ..parallel.ranks import Ranks
from .clock import Clock
from .plan import RankPlan
from .schedule import rate

# to end a run, in order of precedence: of several ranks' reasons, the last one wins
REASONS = ["", "patience", "time", "steps", "epochs", "interrupted"]


@dataclass(frozen=True)
class Budget:
    """The budget of one run; the clock is that of this process."""

    plan: RankPlan
    ranks: Ranks
    clock: Clock

    def reason_to_end(self, progress: Progress, stopped: bool) -> str:
        """Return one of REASONS, the first to continue; the ranks agree, although their clocks differ."""
        mine = "interrupted" if stopped else self._reason(progress)
        return REASONS[self.ranks.allreduce_max(REASONS.index(mine))]

    def _reason(self, progress: Progress) -> str:
        config = self.plan.config
        if progress.step >= self.plan.total_steps:
            return "steps" if progress.step == config.max_steps else "epochs"
        if config.max_time and self._spent >= config.max_time:
            return "time"
        return "patience" if config.patience and progress.stale >= config.patience else ""

    def rate(self, progress: Progress) -> float:
        """Return the learning rate of the next step, the same on all ranks."""
        begun, total = progress.schedule_step, self.plan.total_steps
        done, steps = progress.step - begun, total - begun
        return progress.lr_scale * rate(
            self.plan.config, done, steps, max(done / steps, self._share_of_time(progress))
        )

    def _share_of_time(self, progress: Progress) -> float:
        """Return the share of max_time used up since the schedule began; 0 if it spans the steps."""
        if not self.over_time:
            return 0.0
        begun, limit = progress.schedule_s, self.plan.config.max_time
        return min(1.0, (self.seconds() - begun) / max(1e-6, limit - begun))

    def seconds(self) -> float:
        """Return the seconds the run has taken, the maximum over all ranks, which call this together.

        0 if the schedule spans the steps, so that the files do not depend on a clock.
        """
        return self.ranks.allreduce_max(round(1e6 * self._spent)) / 1e6 if self.over_time else 0.0

    @property
    def _spent(self) -> float:
        """Seconds counted against max_time: of this process, or of the run if the schedule spans time."""
        return self.clock.elapsed_s + (self.clock.before if self.over_time else 0.0)

    @property
    def over_time(self) -> bool:
        """Whether the schedule spans max_time, so that the run is complete when the time is up."""
        return self.plan.config.schedule_over == "time"
