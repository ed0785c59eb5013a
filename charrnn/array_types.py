"""Names for array types in signatures."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]  # numbers
Ids = NDArray[Any]  # characters, as integers of the smallest type that fits
