"""Check that this machine computes the same bits as others, by digests of small models' weights and output.

Each case trains on sums for some hundred steps, samples, scores, and fine-tunes on another text.
`selftest.json` holds the expected digests, for every processor and any number of threads.
"""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoint.checkpoint import VERSIONS, Checkpoint
from ..checkpoint.reading import load
from ..config import ModelConfig, SampleConfig, TrainConfig
from ..kernels.processor import HAS_AMX, HAS_BFLOAT16, VECTOR_BYTES
from ..model.network import Network
from ..parallel.threads import Team
from ..sampling.sampler import sample
from ..scoring.dynamic_evaluation import DynamicReader
from ..scoring.reader import Reader
from ..text.corpus import from_text
from ..training.finetune import adapt
from ..training.plan import Plan
from ..training.trainer import Trainer

SHIPPED = Path(__file__).with_suffix(".json")
MODEL = ModelConfig(hidden_size=24, num_layers=2, dropout=0.1)
TRAIN = TrainConfig(batch_size=40, seq_len=16, epochs=1e9, max_steps=300, warmup=20, val_fraction=0.1)
SAMPLE = SampleConfig(length=200, temp=0.8, top_p=0.95, prime="12+", seed=7)
CASES = {  # each cell, each with another optimizer
    "rnn": (
        replace(MODEL, cell="rnn", embed_size=8, attention=12),
        replace(TRAIN, optimizer="momentum", lr=0.05),
    ),
    "rnn_relu": (replace(MODEL, cell="rnn_relu"), replace(TRAIN, optimizer="adagrad", clip_value=0.01)),
    "gru": (replace(MODEL, cell="gru"), replace(TRAIN, optimizer="rmsprop", teacher_forcing=0.8)),
    "lstm": (MODEL, replace(TRAIN, weight_decay=1e-4)),
    "lstm float64": (
        replace(MODEL, dtype="float64", attention=12),
        replace(TRAIN, optimizer="adamw", weight_decay=0.1),
    ),
    "lstm bfloat16": (replace(MODEL, dtype="bfloat16"), TRAIN),
}


@dataclass(frozen=True)
class Digest:
    """The digest of one result of a case."""

    case: str
    of: str  # weights, fine-tuned weights, sample, scores, or dynamic scores
    sha256: str

    @property
    def same(self) -> bool:
        """Whether the digest equals the shipped one."""
        return shipped().get(self.case, {}).get(self.of) == self.sha256


@cache
def shipped() -> dict[str, dict[str, str]]:
    """Return the shipped digests, by case and result."""
    digests: dict[str, dict[str, str]] = json.loads(SHIPPED.read_text(encoding="utf-8"))["digests"]
    return digests


def machine() -> dict[str, Any]:
    """Return what the bits could depend on."""
    return VERSIONS | {"processor": platform.machine(), "vector_bytes": VECTOR_BYTES}


def cases() -> list[str]:
    """Return the cases with digests for this processor; bfloat16 has none for a matrix unit."""
    vectors = HAS_BFLOAT16 and not HAS_AMX
    return [name for name, (model, _) in CASES.items() if model.dtype != "bfloat16" or vectors]


def run(case: str, threads: int = 0) -> Iterator[Digest]:
    """Run a case and yield its digests.  threads: 0 means every core."""
    model, config = CASES[case]
    text, config = from_text(sums(0)), replace(config, threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        first = _trained(Plan.of(text, model, config), Path(folder, "first.npz"))
        yield _digest(case, "weights", first.network.flat)
        network, other = adapt(first, model, from_text(sums(1).replace("+", " and ")), True, 1)
        tuned = _trained(
            Plan.of(other, model, replace(config, max_steps=60, lr=0.002, optimizer="adam")),
            Path(folder, "tuned.npz"),
            network,
        )
    yield _digest(case, "fine-tuned weights", tuned.network.flat)
    yield Digest(case, "sample", hashlib.sha256("".join(sample(first, SAMPLE)).encode()).hexdigest())
    ids = text.ids[:3000]
    team = Team(threads)
    yield _digest(case, "scores", Reader(first.network, team).read(ids).nats[1:])
    team.close()
    yield _digest(case, "dynamic scores", DynamicReader(first.network, 1e-3).read(ids).nats[1:])


def _trained(plan: Plan, out: Path, network: Network | None = None) -> Checkpoint:
    for _ in Trainer(plan.of_rank(), out, network=network).run():
        pass
    return load(out)


def _digest(case: str, of: str, values: Any) -> Digest:
    in_order = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return Digest(case, of, hashlib.sha256(in_order.tobytes()).hexdigest())


def sums(start: int) -> str:
    """Return lines such as 12+7=19, made without a random generator."""
    pairs = ((7919 * k % 97, 104_729 * k % 89) for k in range(start, start + 4000))
    return "".join(f"{a}+{b}={a + b}\n" for a, b in pairs)
