"""Shuffle the lines of a list, so that its last tenth is like the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..array_types import Ids
from ..errors import UsageError, field
from .corpus import Corpus
from .notes import Notes
from .vocabulary import Vocabulary

BATCH = 1 << 13  # lines moved at once
LONG = 100  # mean characters per line above which copying line by line beats an index per character


def shuffle_lines(corpus: Corpus, seed: int, notes: Notes) -> Corpus:
    """Return the corpus with its lines in random order; the last line gets a line end if it has none.

    Errors: UsageError for a single line.  Cost: memory for another copy of the ids, and 24 bytes per line.
    """
    ids, newline = corpus.ids, corpus.vocabulary.newline
    ends = ids[:0] if newline is None else np.flatnonzero(ids == newline)
    cuts, end = np.append(0, ends + 1), ids[:0]
    if len(cuts) > 1 and cuts[-1] < len(ids):
        end = _line_end(ids[: cuts[1]], corpus.vocabulary)
        notes.add(
            "last line", "the last line had no line end; one was added, because other lines may now follow it"
        )
        cuts = np.append(cuts, len(ids) + len(end))
    if len(cuts) < 3:
        raise UsageError(
            f"{field('shuffle_lines')} needs several lines, but the text is only one",
            r"leave it out, or end each line with \n",
        )
    order = np.random.default_rng([seed, 3]).permutation(len(cuts) - 1)
    shuffled = gathered(ids, cuts, order)
    if len(end):
        before = order[: np.flatnonzero(order == len(order) - 1)[0] + 1]
        stop = int((cuts[before + 1] - cuts[before]).sum())
        shuffled[stop - len(end) : stop] = end
    return replace(corpus, ids=shuffled)


def _line_end(line: Ids, vocabulary: Vocabulary) -> Ids:
    r"""Return the line end of a line: \n or \r\n."""
    carriage_return = len(line) > 1 and vocabulary.points[line[-2]] == ord("\r")
    return line[-2:] if carriage_return else line[-1:]


def gathered(ids: Ids, cuts: Ids, order: Ids) -> Ids:
    """Return the lines ids[cuts[i] : cuts[i + 1]] in this order; anything beyond the ids is arbitrary."""
    text, at = np.empty(int(cuts[-1]), ids.dtype), 0
    for first in range(0, len(order), BATCH):
        lines = order[first : first + BATCH]
        begin, length = cuts[lines], cuts[lines + 1] - cuts[lines]
        stops = at + np.cumsum(length)
        if stops[-1] - at > LONG * len(lines):
            for source, size, stop in zip(begin.tolist(), length.tolist(), stops.tolist(), strict=True):
                line = ids[source : source + size]
                text[stop - size : stop - size + len(line)] = line
        else:
            index = np.repeat(begin - (stops - length), length) + np.arange(at, stops[-1])
            np.take(ids, index, out=text[at : stops[-1]], mode="clip")
        at = int(stops[-1])
    return text
