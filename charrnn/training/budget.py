"""What a run may take: when it ends, and the learning rate that cools down until then."""

from __future__ import annotations

from dataclasses import dataclass

from ..checkpoint.run_progress import Progress
from ..parallel.ranks import Ranks
from .clock import Clock
from .plan import RankPlan
from .schedule import rate

# to end, the stronger ones last; several ranks agree on the strongest
REASONS = ["", "patience", "time", "steps", "epochs", "interrupted"]


@dataclass(frozen=True)
class Budget:
    """Of one run, whose clock is that of this process."""

    plan: RankPlan
    ranks: Ranks
    clock: Clock

    def reason_to_end(self, progress: Progress, stopped: bool) -> str:
        """One of REASONS, the first for going on: the strongest of all ranks, whose clocks are their own."""
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
        """The learning rate of the next step, the same on all ranks."""
        begun, total = progress.schedule_step, self.plan.total_steps
        done, steps = progress.step - begun, total - begun
        return progress.lr_scale * rate(
            self.plan.config, done, steps, max(done / steps, self._share_of_time(progress))
        )

    def _share_of_time(self, progress: Progress) -> float:
        """How much of the time is over that the schedule spans; 0 where it spans the steps."""
        if not self.over_time:
            return 0.0
        begun, limit = progress.schedule_s, self.plan.config.max_time
        return min(1.0, (self.seconds() - begun) / max(1e-6, limit - begun))

    def seconds(self) -> float:
        """That the run took, the most of all ranks, which call this together.

        0 where the schedule spans the steps: files do not depend on a clock.
        """
        return self.ranks.allreduce_max(round(1e6 * self._spent)) / 1e6 if self.over_time else 0.0

    @property
    def _spent(self) -> float:
        """Seconds that count against max_time: of this process; where the schedule spans them, of the run."""
        return self.clock.elapsed_s + (self.clock.before if self.over_time else 0.0)

    @property
    def over_time(self) -> bool:
        """Whether the schedule spans the time, so that nothing of the run is left when it is up."""
        return self.plan.config.schedule_over == "time"
