"""Figures as a line of blocks."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """One block for each value, as high as it is; of more than `width`, evenly chosen ones with the last."""
    if len(values) > width:
        values = [values[(i + 1) * len(values) // width - 1] for i in range(width)]
    low, high = min(values), max(values)
    shares = ((value - low) / (high - low or 1.0) for value in values)
    return "".join(BLOCKS[round(share * (len(BLOCKS) - 1))] for share in shares)
