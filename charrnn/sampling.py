"""Drawing text from a model, as a generator of characters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .checkpoint import Checkpoint
from .config import SampleConfig
from .kernels.draw import generate
from .network import Shard
from .text import Ids

BLOCK = 32  # characters drawn in one call: a few milliseconds even for large models
PRIME_CHUNK = 128


def sample(checkpoint: Checkpoint, config: SampleConfig) -> Iterator[str]:
    """Characters in blocks as they are drawn, in constant memory; the prime is not among them.

    Without a prime the model starts as after a newline, or where its text had none, after a character
    drawn evenly from its vocabulary.  Errors: TextError for a prime with characters it never saw.
    """
    return (texts[0] for texts in samples(checkpoint, config, 1))


def samples(checkpoint: Checkpoint, config: SampleConfig, num: int) -> Iterator[list[str]]:
    """`num` texts drawn side by side; sample i has its own random numbers, and is the same in any company.

    Cost: the weights are read once a character for all samples.
    """
    rngs = [np.random.default_rng([config.seed, i]) for i in range(num)]
    prime = _prime(checkpoint, config.prime, rngs)
    checkpoint.network.pack(back=False)
    shard = checkpoint.network.shard(num, 1)
    _read(prime, shard)
    for steps in _blocks(config.length):
        uniforms = np.stack([rng.random(steps) for rng in rngs], axis=1)
        drawn = draw(shard, uniforms, float(config.temp))
        yield [checkpoint.vocabulary.decode(ids) for ids in drawn.T]


def _prime(checkpoint: Checkpoint, text: str, rngs: list[np.random.Generator]) -> Ids:
    """What each sample goes on from (num, at least 1)."""
    vocabulary = checkpoint.vocabulary
    if not text and "\n" not in vocabulary:
        return np.array([[rng.integers(len(vocabulary))] for rng in rngs])
    ids = vocabulary.encode(text or "\n", "the prime")
    return np.tile(ids, (len(rngs), 1))


def _read(prime: Ids, shard: Shard) -> None:
    """Bring `shard` to the state before the last character of the prime, which becomes its next input."""
    length = prime.shape[1] - 1
    reader = shard.network.shard(shard.batch, max(1, min(PRIME_CHUNK, length)))
    for start in range(0, length, PRIME_CHUNK):
        chunk = prime[:, start : min(start + PRIME_CHUNK, length)]
        reader.score(chunk, chunk)
    shard.carried = reader.carried
    shard.work(1).ids[...] = prime[:, -1]


def _blocks(length: int) -> Iterator[int]:
    """Sizes of blocks that make up `length`; 0: without end."""
    done = 0
    while not length or done < length:
        steps = min(BLOCK, length - done) if length else BLOCK
        yield steps
        done += steps


def draw(shard: Shard, uniforms: Ids, temp: float) -> Ids:
    """The next characters (steps, B) for random numbers of that shape in [0, 1)."""
    network = shard.network
    drawn = np.zeros(uniforms.shape, np.int32)
    cumulative = np.zeros(network.vocab_size)
    model = (network.cell, network.weights, network.panels)
    generate(*model, shard.work(1), uniforms, temp, cumulative, drawn)
    return drawn
