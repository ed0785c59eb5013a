"""The colors of a page as the browser computes them, and their contrast."""

from __future__ import annotations

import re
from typing import Any

Colour = tuple[int, ...]


def painted(page: Any, selector: str) -> list[tuple[Colour, Colour]]:
    """Return the computed colors (text, background) of every element that `selector` matches."""
    script = "all => all.map(e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor])"
    return [(rgb(ink), rgb(ground)) for ink, ground in page.locator(selector).evaluate_all(script)]


def rgb(colour: str) -> Colour:
    """Parse "rgb(1, 2, 3)"; transparent colors give an empty tuple."""
    numbers = tuple(map(float, re.findall(r"[\d.]+", colour)))
    return () if numbers[3:] == (0,) else tuple(map(round, numbers[:3]))


def luminance(colour: Colour) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: Colour, b: Colour) -> float:
    """The ratio of WCAG 2, 1 to 21."""
    dim, bright = sorted((luminance(a), luminance(b)))
    return (bright + 0.05) / (dim + 0.05)
