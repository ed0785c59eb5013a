"""Stop texts: a sample ends before the first, of which nothing may be shown too early."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..array_types import Ids
from ..text.vocabulary import Vocabulary


class StopBuffer:
    """One sample on its way out: held back while it may be the beginning of a stop."""

    def __init__(self, vocabulary: Vocabulary, stops: Sequence[str]):
        self.ended = False
        self._decode, self._stops = vocabulary.decoder(), stops
        self._hold = max(map(len, stops), default=1) - 1
        self._ids: Ids = np.zeros(0, np.int32)
        self._logprobs = np.zeros(0)

    def push(self, ids: Ids, logprobs: NDArray[np.float64], last: bool) -> tuple[str, list[float]]:
        """Text, and its ln p, that is certain now that these were drawn; it ends before the first stop."""
        if self.ended:
            return "", []
        ids, logprobs = np.concatenate([self._ids, ids]), np.concatenate([self._logprobs, logprobs])
        text = searchable(ids) if self._stops else ""
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        self.ended = last or bool(found)
        certain = len(ids) if last else max(0, len(ids) - self._hold)
        end = min(found)[1] if found else certain  # before the stop that is complete first
        self._ids, self._logprobs = ids[end:], logprobs[end:]
        return self._decode(ids[:end], self.ended), logprobs[:end].tolist()


def searchable(ids: Ids) -> str:
    """Ids as a string of as many characters, in which str.find finds ids."""
    return ids.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
