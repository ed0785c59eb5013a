"""Notes for the user on the texts that were read."""

from __future__ import annotations

from collections.abc import Iterator


class Notes:
    """Sentences, one of each kind, with a count of the other files that it holds for."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._more: dict[str, int] = {}

    def add(self, kind: str, sentence: str) -> None:
        """Add a sentence, or count it if there is one of its kind.  kind: any word."""
        if self._said.setdefault(kind, sentence) is not sentence:
            self._more[kind] = self._more.get(kind, 0) + 1

    def __iter__(self) -> Iterator[str]:
        for kind, sentence in self._said.items():
            more = self._more.get(kind, 0)
            yield f"{sentence} (likewise for {more:,} more file{'s' * (more > 1)})" if more else sentence
