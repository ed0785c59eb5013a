"""What arrays are called in signatures."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]  # of numbers
Ids = NDArray[Any]  # of characters: integers of the smallest type that holds them
