"""Estimate how long a run takes on this machine, from a few of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from ..kernels.helpers import helped
from ..model.network import Network
from ..parallel.threads import Team
from ..scoring.reader import evaluate
from .compile_kernels import calls, compile_kernels
from .learner import Learner
from .plan import Plan

SECONDS = 0.5  # timed at least, each for steps and for validation
STEPS = 3  # timed at least
MOST_FLOPS, MOST_BYTES = 1e12, 5e8  # beyond these, a smaller model is timed, and its time scaled
VALIDATED = 1 << 15  # characters: more would not change the speed


def seconds(plan: Plan, processes: int = 1) -> float:
    """Return the seconds of training and validation for the plan's steps and epochs, without a time limit.

    processes: how many share the work, all as fast as this one and without loss.

    Cost: a second or two, after compiling kernels that were not used yet.
    """
    small = _affordable(plan)
    with helped(calls, small.model, small.config):
        compile_kernels(small.model, small.config)
    team = Team(small.config.threads)
    try:
        network = Network(small.model, len(small.vocabulary), seed=small.config.seed)
        learner = Learner(network, small.streams.batch_size, small.streams.longest, small.config, team)
        inputs, targets = small.streams.chunk(0)
        step = _timed(lambda: learner.step(inputs, targets, 1e-4, 0, 0)) * plan.flops / small.flops
        val = small.split.val[:VALIDATED]
        one = _timed(lambda: evaluate(network, val, team)) if len(val) > 1 else 0.0
    finally:
        team.close()
    every = plan.config.eval_every or plan.streams.chunks
    validations = -(-plan.total_steps // every) * len(plan.split.val) / max(1, len(val))
    return (plan.total_steps * step + validations * one * plan.flops / small.flops) / processes


def _affordable(plan: Plan) -> Plan:
    """Return the plan, or one with a smaller hidden size that is quick enough to time."""
    hidden_size = plan.model.hidden_size
    while hidden_size > 1 and (plan.flops > MOST_FLOPS or plan.nbytes > MOST_BYTES):
        hidden_size = max(1, hidden_size // 2)
        plan = replace(plan, model=replace(plan.model, hidden_size=hidden_size))
    return plan


def _timed(work: Callable[[], object]) -> float:
    """Return the median seconds of a few calls, after an uncounted one."""
    work()
    times: list[float] = []
    while len(times) < STEPS or sum(times) < SECONDS:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return float(median(times))
