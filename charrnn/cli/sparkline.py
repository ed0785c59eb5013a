"""Numbers as a line of blocks."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """Return a block for each value, of a height to match; of more than `width`, evenly spaced values.

    Values in the first quarter may be cut off at the top: after a steep beginning the rest would look flat.
    """
    if len(values) > width:
        values = [values[(i + 1) * len(values) // width - 1] for i in range(width)]
    low, high = min(values), max(values[len(values) // 4 :])
    shares = (min(1.0, (value - low) / (high - low or 1.0)) for value in values)
    return "".join(BLOCKS[round(share * (len(BLOCKS) - 1))] for share in shares)
