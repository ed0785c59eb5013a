"""Measure how fast this machine trains and samples, compared with its peak rates and with PyTorch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..config import BenchSetup, ModelConfig, SampleConfig, TrainConfig
from ..kernels.bfloat16 import depth_of
from ..kernels.matmul import packed_size
from ..kernels.peak_rates import multiply, read
from ..model.network import Network
from ..parallel.threads import Team
from ..sampling.sampler import BLOCK, SampleShard
from ..training.learner import Learner
from . import pytorch

VOCAB = 65
ROUNDS = 5  # measurements of each rate; results are medians


SETUPS = (
    BenchSetup(256, 1, 64, 64),
    BenchSetup(512, 2, 64, 100),
    BenchSetup(128, 2, 64, 50),
    BenchSetup(100, 1, 1, 25),
    BenchSetup(128, 2),
    BenchSetup(512, 2),
)


@dataclass(frozen=True)
class Result:
    """Median rates of a cell in a setup; PyTorch's too, if requested and if it has the cell."""

    cell: str
    setup: str
    chars_per_s: float
    gflops: float  # matrix products only: 2 forward and 4 back per weight and character
    share: float  # training: of the peak; sampling: of the bandwidth for reading the weights
    torch: float | None = None  # characters per second in float32
    autocast: float | None = None  # characters per second under torch.autocast to bfloat16


def peak(team: Team, dtype: str) -> float:
    """Return flops per second of a matrix product on data in the innermost cache, on all threads."""
    pairs = dtype == "bfloat16"
    rows, depth, columns, repeats = (32, 256, 32, 6_000) if pairs else (16, 64, 32, 50_000)
    factor = np.dtype(np.uint32 if pairs else dtype)
    panels = np.zeros(packed_size(depth, columns, factor.itemsize, pairs), factor)
    a = np.zeros((rows, depth_of(depth) if pairs else depth), factor)
    outs = [np.zeros((rows, columns), np.float32 if pairs else factor) for _ in range(team.threads)]

    def run() -> float:
        team.each(lambda i: multiply(a, panels, outs[i], repeats), team.threads)
        return 2.0 * rows * depth * columns * repeats * team.threads

    return _rates([run])[0]


def bandwidth(elements: int) -> float:
    """Return bytes per second that one thread reads from an array of so many float32."""
    array = np.zeros(elements, np.int32)

    def run() -> float:
        read(array)
        return float(array.nbytes)

    return _rates([run])[0]


def run(
    cells: list[str],
    setups: tuple[BenchSetup, ...],
    team: Team,
    top: float,
    dtype: str = "float32",
    torch: bool = False,
) -> Iterator[Result]:
    """Measure each setup, alternating with PyTorch; top: the machine's peak.  Cost: some seconds each."""
    for setup in setups:
        for cell in cells:
            yield _measure(cell, setup, team, top, dtype, torch)


def _measure(cell: str, setup: BenchSetup, team: Team, top: float, dtype: str, torch: bool) -> Result:
    model = ModelConfig(cell, setup.hidden_size, setup.num_layers, dropout=0.0, dtype=dtype)
    network = Network(model, VOCAB)
    runs = [_training(network, setup, team) if setup.batch_size else _sampling(network)]
    if torch and cell in pytorch.KINDS:
        twin = pytorch.training if setup.batch_size else pytorch.sampling
        runs += [twin(cell, setup, VOCAB, team.threads, autocast) for autocast in (False, True)]
    rates = _rates(runs)
    weights = network.layout.products
    flops = weights * (6 if setup.batch_size else 2) * rates[0]
    width = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
    reading = width * weights * rates[0]
    share = flops / top if setup.batch_size else reading / bandwidth(width * weights // 4)
    return Result(cell, str(setup), rates[0], flops / 1e9, share, *rates[1:])


def _training(network: Network, setup: BenchSetup, team: Team) -> Callable[[], float]:
    batch, steps = setup.batch_size, setup.seq_len
    learner = Learner(network, batch, steps, TrainConfig(), team)
    text = np.random.default_rng(0).integers(0, VOCAB, (batch, steps + 1)).astype(np.uint8)

    def run() -> float:
        learner.step(text[:, :-1], text[:, 1:], 1e-3, 0, 0)
        return float(batch * steps)

    return run


def _sampling(network: Network) -> Callable[[], float]:
    network.pack(back=False)
    rows = SampleShard(network, SampleConfig(), [np.random.default_rng(0)])

    def run() -> float:
        return float(rows.draw(BLOCK).size)

    return run


def _rates(runs: list[Callable[[], float]], seconds: float = 0.5) -> list[float]:
    """Return the median rate of each run (its result per second) over ROUNDS rounds of all in turn."""
    for run in runs:
        run()  # compile and warm the caches
    rates: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for run, of_run in zip(runs, rates, strict=True):
            amount, begun = 0.0, time.perf_counter()
            while (taken := time.perf_counter() - begun) < seconds:
                amount += run()
            of_run.append(amount / taken)
    return [statistics.median(of_run) for of_run in rates]
