"""Sample characters, a block of them in one kernel call."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from . import model
from .elementary import exp, ln
from .jit import called, jit

LOWEST = -1e300  # keeps ln p times a penalty finite, so that the largest can be subtracted
forward = called(model.forward)  # already compiled for training and scoring


class Rules(NamedTuple):
    """The changes to a distribution before a character is sampled from it, in this order."""

    penalty: float  # factor for ln p of recent characters; 1: off
    temp: float  # temperature; 0: the most likely character
    top_k: int  # how many of the most likely characters to keep; the vocabulary's size: off
    top_p: float  # keep the most likely until their sum reaches this share; 1: off
    min_p: float  # lowest probability to keep, as a share of the largest; 0: off


def plain(vocab_size: int) -> Rules:
    """Return the rules that leave the model's distribution unchanged."""
    return Rules(1.0, 1.0, vocab_size, 1.0, 0.0)


@jit
def log_total(logits):
    """Return ln(sum(e**logits)) in float64; ln p of character k is logits[k] minus this."""
    highest, total = np.float64(logits[_likeliest(logits)]), 0.0
    for k in range(logits.size):
        total += exp(np.float64(logits[k]) - highest)
    return highest + ln(total)


@jit
def _likeliest(values):
    """Return the index of the first NaN, or else of the first largest value."""
    best = 0
    for k in range(1, values.size):
        if values[best] == values[best] and not values[k] <= values[best]:
            best = k
    return best


@jit
def cut_tail(p, top_k, top_p):
    """Keep the top_k largest, and of these only the first whose sum reaches top_p of theirs; set others to 0.

    Among equals, the lower id counts as larger.  Cost: top_k times ln V.
    """
    heap, total, left = np.arange(p.size), 0.0, p.size
    for root in range(left // 2 - 1, -1, -1):
        _sift(p, heap, root, left)
    for _ in range(top_k):
        total += p[heap[0]]
        left -= 1
        heap[0], heap[left] = heap[left], heap[0]  # the largest go to the end, one after the other
        _sift(p, heap, 0, left)
    kept, reached = 0, 0.0
    while kept < top_k and (top_p == 1 or reached < top_p * total):
        kept += 1
        reached += p[heap[p.size - kept]]
    for i in range(p.size - kept):
        p[heap[i]] = 0


@jit
def _sift(p, heap, root, size):
    """Move an id down until none below it is larger: the heap of heapsort (Williams 1964)."""
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
    """Sample an id from softmax(logits) under `rules`: invert the cumulative sum at u in [0, 1).

    Return -1 if the logits overflowed.
    Shapes: logits (V,); recent: the ids to penalize; p (V,) float64, overwritten.
    temp 0 returns the most likely id, the lowest among equals. A character of probability 0 is never sampled:
    its cumulative sum equals the one before it, and the first sum that exceeds u times the total wins.
    Source: the penalty of CTRL (Keskar et al. 2019, section 4.1), applied to ln p, which is never above 0,
    instead of the logits, whose offset is arbitrary.
    """
    total = log_total(logits) if rules.penalty != 1 else 0.0
    for k in range(p.size):
        p[k] = logits[k] - total
    if rules.penalty != 1:
        for k in recent:  # a repeated id gets the same value again
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
        if p[k] >= rules.min_p:  # relative to the largest, which is 1
            total += p[k]
        p[k] = total
    at = u * total
    for k in range(p.size):
        if p[k] > at:
            return k
    return best


@jit
def predict(logits, rules, uniforms, p, drawn):
    """Sample drawn[row] from softmax(logits[row]) under `rules`, without a penalty; 0 for an overflow.

    Shapes: logits (N, V); uniforms, drawn (N,); p (V,) float64, overwritten.
    """
    for row in range(drawn.size):
        k = draw(logits[row], rules, drawn[:0], uniforms[row], p)
        drawn[row] = 0 if k < 0 else k


@jit
def generate(cell, w, p, work, rules, recent, uniforms, scratch, drawn, logprobs):
    """Sample a block of characters. Each becomes the next input, and work.state carries the state.

    Shapes: recent (B, any) int32, the last ids read, the latest at the end; uniforms (B, steps) float64 in
    [0, 1); scratch (V,) float64; drawn (B, steps) int32; logprobs (B, steps) float64, the model's own ln p
    of the sampled characters, or empty; work: for chunks of one step, with the latest characters in work.ids
    (B,).
    drawn is -1 where the model overflowed; values after that are meaningless.
    Cost: the forward pass; for one sequence, each character reads all weights.
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
