"""Stop texts: a sample ends before the first one, and no part of it is output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..array_types import Ids
from ..text.vocabulary import Vocabulary


class StopBuffer:
    """The output of one sample, held back while it may be the start of a stop text."""

    def __init__(self, vocabulary: Vocabulary, stops: Sequence[str]):
        self.ended = False
        self._decode, self._stops = vocabulary.decoder(), stops
        self._hold = max(map(len, stops), default=1) - 1
        self._ids: Ids = np.zeros(0, np.int32)
        self._logprobs = np.zeros(0)

    def push(self, ids: Ids, logprobs: NDArray[np.float64], last: bool) -> tuple[str, list[float]]:
        """Add ids; return the text that is certain not to belong to a stop text, and its ln p."""
        if self.ended:
            return "", []
        ids, logprobs = np.concatenate([self._ids, ids]), np.concatenate([self._logprobs, logprobs])
        text = searchable(ids) if self._stops else ""
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        self.ended = last or bool(found)
        certain = len(ids) if last else max(0, len(ids) - self._hold)
        end = min(found)[1] if found else certain  # before the stop text that is completed first
        self._ids, self._logprobs = ids[end:], logprobs[end:]
        return self._decode(ids[:end], self.ended), logprobs[:end].tolist()


def searchable(ids: Ids) -> str:
    """Return ids as a string with one character per id, for str.find."""
    return ids.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
