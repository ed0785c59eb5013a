"""How long a run took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds of this process spent in training steps, apart from compiling, evaluating and saving."""

    before: float = 0.0  # seconds of earlier processes of the run, like elapsed_s
    started: float = field(default_factory=time.perf_counter)
    compile_s: float = 0.0
    train_s: float = 0.0
    chars: int = 0

    @property
    def elapsed_s(self) -> float:
        """Since the start, compiling left out."""
        return time.perf_counter() - self.started - self.compile_s

    @property
    def chars_per_s(self) -> float:
        """Of training steps alone."""
        return self.chars / self.train_s if self.train_s else 0.0
