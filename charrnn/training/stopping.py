"""When a run ends."""

from __future__ import annotations

from ..checkpoint.run_progress import Progress
from .plan import RankPlan

# to end, the stronger ones last; several ranks agree on the strongest
REASONS = ["", "patience", "time", "steps", "epochs", "interrupted"]


def reason_to_end(plan: RankPlan, progress: Progress, elapsed_s: float) -> str:
    """One of REASONS, the first for going on."""
    config = plan.config
    if progress.step >= plan.total_steps:
        return "steps" if progress.step == config.max_steps else "epochs"
    if config.max_time and elapsed_s >= config.max_time:
        return "time"
    return "patience" if config.patience and progress.stale >= config.patience else ""
