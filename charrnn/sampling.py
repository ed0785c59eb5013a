"""Drawing text from a model, as a generator of characters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .checkpoint import Checkpoint
from .config import SampleConfig
from .kernels import draw
from .text import Ids

BLOCK = 32  # characters drawn in one call: a few milliseconds even for large models
PRIME_CHUNK = 128


def sample(checkpoint: Checkpoint, config: SampleConfig) -> Iterator[str]:
    """Characters in blocks as they are drawn, in constant memory; the prime is not among them.

    Without a prime the model starts as after a newline, or where its text had none, after a character
    drawn evenly from its vocabulary.  Errors: TextError for a prime with characters it never saw.
    """
    vocabulary, network = checkpoint.vocabulary, checkpoint.network
    rng = np.random.default_rng([config.seed, 0])
    prime = vocabulary.encode(config.prime, "the prime")
    if not prime.size:
        prime = _start(checkpoint, rng)
    network.pack(back=False)
    reader = network.shard(1, min(PRIME_CHUNK, len(prime)))
    for at in range(0, len(prime) - 1, PRIME_CHUNK):
        chunk = prime[None, at : min(at + PRIME_CHUNK, len(prime) - 1)]
        reader.score(chunk, chunk)
    shard = network.shard(1, 1)
    shard.state[...] = reader.state
    work = shard.work(1)
    work.ids[0] = prime[-1]
    cumulative = np.zeros(len(vocabulary))
    drawn = np.zeros((BLOCK, 1), np.int32)
    left = config.length or None
    while left is None or left > 0:
        steps = BLOCK if left is None else min(BLOCK, left)
        uniforms = rng.random((steps, 1))
        draw.generate(
            network.cell,
            network.weights,
            network.panels,
            work,
            uniforms,
            float(config.temp),
            cumulative,
            drawn[:steps],
        )
        yield vocabulary.decode(drawn[:steps, 0])
        left = None if left is None else left - steps


def _start(checkpoint: Checkpoint, rng: np.random.Generator) -> Ids:
    vocabulary = checkpoint.vocabulary
    if "\n" in vocabulary:
        return vocabulary.encode("\n")
    return rng.integers(0, len(vocabulary), 1)
