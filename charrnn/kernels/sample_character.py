"""Drawing characters: one kernel call for a block of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from . import model
from .elementary import exp, ln
from .jit import called, jit

LOWEST = -1e300  # ln p times a penalty stays finite, so that the largest can be subtracted
forward = called(model.forward)  # which training and scoring have compiled


class Rules(NamedTuple):
    """What is done to a distribution before a character is drawn from it, in this order."""

    penalty: float  # factor of ln p of the characters read last; 1: off
    temp: float  # 0: the most likely character
    top_k: int  # as many of the most likely as are kept; the size of the vocabulary: off
    top_p: float  # the most likely are kept until their sum reaches this share; 1: off
    min_p: float  # least probability that is kept, as a share of the largest; 0: off


def plain(vocab_size: int) -> Rules:
    """The model's own distribution."""
    return Rules(1.0, 1.0, vocab_size, 1.0, 0.0)


@jit
def log_total(logits):
    """ln of the sum of e**logits, in float64: ln p of character k is logits[k] less this."""
    highest, total = np.float64(logits[_likeliest(logits)]), 0.0
    for k in range(logits.size):
        total += exp(np.float64(logits[k]) - highest)
    return highest + ln(total)


@jit
def _likeliest(values):
    """The first of the largest, or of those that are NaN."""
    best = 0
    for k in range(1, values.size):
        if values[best] == values[best] and not values[k] <= values[best]:
            best = k
    return best


@jit
def cut_tail(p, top_k, top_p):
    """Set to 0 all but the top_k largest, and of these all but the first whose sum reaches top_p of theirs.

    Of equals the lower id counts as larger.  Cost: top_k times ln V.
    """
    heap, total, left = np.arange(p.size), 0.0, p.size
    for root in range(left // 2 - 1, -1, -1):
        _sift(p, heap, root, left)
    for _ in range(top_k):
        total += p[heap[0]]
        left -= 1
        heap[0], heap[left] = heap[left], heap[0]  # the largest, one after the other, from the end
        _sift(p, heap, 0, left)
    kept, reached = 0, 0.0
    while kept < top_k and (top_p == 1 or reached < top_p * total):
        kept += 1
        reached += p[heap[p.size - kept]]
    for i in range(p.size - kept):
        p[heap[i]] = 0


@jit
def _sift(p, heap, root, size):
    """Move an id down to where none below it is larger: the heap of heapsort (Williams 1964)."""
    child = 2 * root + 1
    while child < size:
        if child + 1 < size and _larger(p, heap[child + 1], heap[child]):
            child += 1
        if _larger(p, heap[root], heap[child]):
            return
        heap[root], heap[child] = heap[child], heap[root]
        root, child = child, 2 * child + 1


@jit
def _larger(p, i, j):
    return p[i] > p[j] or (p[i] == p[j] and i < j)


@jit
def draw(logits, rules, recent, u, p):
    """An id drawn from softmax(logits) under `rules`: the cumulative sum inverted at u in [0, 1).

    Shapes: logits (V,); recent: the ids that the penalty is for; p (V,) float64, overwritten.
    -1: the logits overflowed.
    temp 0: the most likely, the lowest id of equals. A character of probability 0 is never drawn: its
    cumulative sum equals the one before it, and the first that exceeds u times the total is taken.
    Source: the penalty is that of CTRL (Keskar et al. 2019, section 4.1), on ln p, which is never above 0,
    in place of logits, whose offset means nothing.
    """
    total = log_total(logits) if rules.penalty != 1 else 0.0
    for k in range(p.size):
        p[k] = logits[k] - total
    if rules.penalty != 1:
        for k in recent:  # an id that occurs twice is set twice to the same
            lowered = (logits[k] - total) * rules.penalty
            p[k] = LOWEST if lowered < LOWEST else lowered
    best = _likeliest(p)
    if not math.isfinite(p[best] + total):
        return -1
    if rules.temp == 0:
        return best
    highest = p[best]
    for k in range(p.size):
        p[k] = exp((p[k] - highest) / rules.temp)
    if rules.top_k < p.size or rules.top_p < 1:
        cut_tail(p, rules.top_k, rules.top_p)
    total = 0.0
    for k in range(p.size):
        if p[k] >= rules.min_p:  # of the largest, which is 1
            total += p[k]
        p[k] = total
    at = u * total
    for k in range(p.size):
        if p[k] > at:
            return k
    return best


@jit
def predict(logits, rules, uniforms, p, drawn):
    """drawn[row] from softmax(logits[row]) under `rules`, of which none looks back; 0 for an overflow.

    Shapes: logits (N, V); uniforms, drawn (N,); p (V,) float64, overwritten.
    """
    for row in range(drawn.size):
        k = draw(logits[row], rules, drawn[:0], uniforms[row], p)
        drawn[row] = 0 if k < 0 else k


@jit
def generate(cell, w, p, work, rules, recent, uniforms, scratch, drawn, logprobs):
    """Draw a block of characters: each is the next input, the state is carried on in work.state.

    Shapes: recent (B, any) int32, the ids read last, the latest at the end; uniforms (B, steps) float64 in
    [0, 1); scratch (V,) float64; drawn (B, steps) int32; logprobs (B, steps) float64, the model's own ln p
    of what is drawn, or empty; work: for chunks of one step, the last characters so far in work.ids (B,).
    drawn is -1 where the model overflowed; what follows it means nothing.
    Cost: the forward pass; for one sequence, a read of all weights a character.
    """
    for step in range(drawn.shape[1]):
        forward(cell, w, p, work, 0.0, np.uint64(0))
        for i in range(work.ids.size):
            logits = work.logits[0, i]
            k = draw(logits, rules, recent[i], uniforms[i, step], scratch)
            drawn[i, step] = k
            k = 0 if k < 0 else k
            work.ids[i] = k
            if logprobs.size > 0:
                logprobs[i, step] = logits[k] - log_total(logits)
            if rules.penalty != 1:
                for j in range(recent.shape[1] - 1):
                    recent[i, j] = recent[i, j + 1]
                recent[i, -1] = k
        model.carry(work)
