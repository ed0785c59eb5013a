"""Measure how long a run takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """The seconds that this process spends: in all, compiling, and in training steps."""

    before: float = 0.0  # elapsed_s of earlier processes of the run
    started: float = field(default_factory=time.perf_counter)
    compile_s: float = 0.0
    train_s: float = 0.0
    chars: int = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, without compiling."""
        return time.perf_counter() - self.started - self.compile_s

    @property
    def chars_per_s(self) -> float:
        """Speed of the training steps alone."""
        return self.chars / self.train_s if self.train_s else 0.0
