"""Drawing characters: one kernel call for a block of them."""

from __future__ import annotations

import math

import numpy as np

from . import model
from .jit import jit


@jit
def draw(logits, temp, u, cumulative):
    """An id drawn from softmax(logits / temp): its cumulative sum, in float64, inverted at u in [0, 1).

    temp 0: the largest logit, the lowest id of equals. A character of probability 0 is never drawn: its
    cumulative sum equals the one before it, and the first that exceeds u times the total is taken.
    """
    best = np.argmax(logits)
    if temp == 0:
        return best
    total = 0.0
    for k in range(logits.size):
        total += math.exp((np.float64(logits[k]) - np.float64(logits[best])) / temp)
        cumulative[k] = total
    at = u * total
    for k in range(logits.size):
        if cumulative[k] > at:
            return k
    return best


@jit
def generate(cell, w, p, work, uniforms, temp, cumulative, drawn):
    """Draw a block of characters: each is the next input, the state is carried on in work.state.

    Shapes: uniforms (steps, B) float64 in [0, 1); drawn (steps, B) int32; cumulative (V,) float64;
    work: for chunks of one step, with the last characters so far in work.ids (B,).
    Cost: the forward pass; for one sequence, a read of all weights a character.
    """
    for step in range(drawn.shape[0]):
        model.forward(cell, w, p, work, 0.0, np.uint64(0))
        for i in range(work.ids.size):
            work.ids[i] = draw(work.logits[0, i], temp, uniforms[step, i], cumulative)
            drawn[step, i] = work.ids[i]
        model.carry(work)
