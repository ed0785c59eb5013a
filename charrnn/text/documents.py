"""Corpora of many short, independent texts: lines, or blocks between blank lines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..array_types import Ids
from ..errors import TextError, UsageError, field
from .blocks import ends
from .line_order import gathered
from .streams import Split, Streams


@dataclass(frozen=True)
class Documents:
    """Whole documents, one after the other; the last is terminated too."""

    ids: Ids
    newline: int
    kind: str
    seed: int

    @property
    def cuts(self) -> Ids:
        return np.append(0, ends(self.ids, self.newline, self.kind))

    def of_epoch(self, epoch: int) -> Ids:
        """Return the documents in an order drawn for this epoch, after a line end that primes the first."""
        cuts = self.cuts
        order = np.random.default_rng([self.seed, 4, epoch]).permutation(len(cuts) - 1)
        return np.concatenate([np.array([self.newline], self.ids.dtype), gathered(self.ids, cuts, order)])

    def fresh(self, text: Ids) -> NDArray[np.bool_]:
        """Return a mask of the line ends in a text `of_epoch` after which a document starts from state 0."""
        begins = np.zeros(len(text), bool)
        begins[0] = True
        begins[ends(text, self.newline, self.kind) - 1] = True
        return begins


def split(ids: Ids, newline: int | None, kind: str, val_fraction: float, test_fraction: float) -> Split:
    """Split as Split.of does, but only between documents; an unterminated last document is terminated.

    Errors: UsageError for a text with fewer than two documents; TextError if none is left to train on.
    """
    cuts = ids[:0] if newline is None else ends(ids, newline, kind)
    if newline is not None and len(cuts) and cuts[-1] < len(ids):
        missing = [newline] * (1 if kind == "line" or ids[-1] == newline else 2)
        ids = np.concatenate([ids, np.array(missing, ids.dtype)])
        cuts = np.append(cuts, len(ids))
    if len(cuts) < 2:
        raise UsageError(
            f"{field('documents', kind)} needs several documents, but the text is only one",
            "leave it out, or put blank lines between documents" if kind == "blank" else "leave it out",
        )
    test_at = len(ids) - int(len(ids) * test_fraction)
    val_at = test_at - int(len(ids) * val_fraction)
    last = (max(0, int(np.searchsorted(cuts, wanted, "right")) - 1) for wanted in (val_at, test_at))
    at = [0, *(int(cuts[place]) for place in last), len(ids)]
    if val_at < cuts[0]:
        raise TextError("no document is left to train on", f"lower {field('val_fraction')}")
    train, val, test = (ids[start:stop] for start, stop in pairwise(at))
    return Split(train, val if val_fraction else val[:0], test if test_fraction else test[:0])


@dataclass(frozen=True)
class DocumentStreams(Streams):
    """Streams of documents, in a new order each epoch."""

    documents: Documents | None = None
    first: int = 0  # index of the first of these streams among all
    every: int = 1  # number of streams in all
    begins: NDArray[np.bool_] | None = None  # `Documents.fresh` of ids; None before `of_epoch`

    @classmethod
    def made(cls, documents: Documents, batch_size: int, seq_len: int) -> DocumentStreams:
        text = documents.of_epoch(0)
        of = Streams.of(text, batch_size, seq_len)
        return cls(text, of.batch_size, seq_len, documents, 0, of.batch_size)

    def part(self, start: int, stop: int) -> DocumentStreams:
        of = super().part(start, stop)
        return DocumentStreams(
            of.ids, of.batch_size, of.seq_len, self.documents, self.first + start, self.every
        )

    def of_epoch(self, epoch: int) -> DocumentStreams:
        assert self.documents
        text = self.documents.of_epoch(epoch)
        length = (len(text) - 1) // self.every
        mine = slice(self.first * length, (self.first + self.batch_size) * length + 1)
        begins = self.documents.fresh(text)[mine]
        values = self.batch_size, self.seq_len, self.documents, self.first, self.every, begins
        return DocumentStreams(text[mine], *values)

    def fresh(self, number: int) -> NDArray[np.bool_] | None:
        """Return a mask (B, T) of where documents begin in a chunk."""
        assert self.begins is not None
        inputs, _ = Streams(self.begins, self.batch_size, self.seq_len).chunk(number)
        found: NDArray[np.bool_] = inputs
        return found
