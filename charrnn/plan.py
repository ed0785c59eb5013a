"""What a run will be, known before it begins: its text cut up, its steps, their memory and work."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from .config import ModelConfig, TrainConfig
from .corpus import Corpus
from .errors import UsageError
from .kernels import optimizers
from .network import Network
from .parallel import SHARD, cut
from .parameters import Array, Layout
from .ranks import One
from .text import Ids, Split, Streams

SAVE = 6e12  # flops between saves: about a minute of them, counted in steps so that no clock decides


class Plan:
    """A run on one corpus; of the model its shapes alone."""

    def __init__(self, corpus: Corpus, model: ModelConfig, config: TrainConfig, val: Ids | None = None):
        """val: a validation text, in place of the corpus's tail.

        Errors: TextError for a corpus too short; UsageError for options that need a validation text.
        """
        self.model, self.config, self.vocabulary = model, config.tuned(model), corpus.vocabulary
        self.layout = Layout(model, len(corpus.vocabulary))
        split = Split.of(corpus.ids, 0.0 if val is not None else config.val_fraction, config.test_fraction)
        self.split = split if val is None else replace(split, val=val)
        if not len(self.split.val) and (config.patience or config.lr_schedule == "plateau"):
            raise UsageError(
                "--patience and --lr-schedule plateau need a text to validate on, and there is none",
                "name one with --val or --val-fraction",
            )
        self.streams = Streams.of(self.split.train, config.batch_size, config.seq_len)
        self.mine, self.batch_size = self.streams, self.streams.batch_size  # of this rank; of all
        parts = {name: len(getattr(self.split, name)) for name in ("train", "val", "test")}
        self.corpus: dict[str, Any] = {"chars": len(corpus.ids), **parts}
        self.corpus |= {"vocab": len(corpus.vocabulary), "sha256": corpus.sha256}
        self.corpus["val_sha256"] = hashlib.sha256(np.ascontiguousarray(self.split.val).data).hexdigest()

    @property
    def total_steps(self) -> int:
        steps = max(1, round(self.config.epochs * self.streams.chunks))
        return min(steps, self.config.max_steps) if self.config.max_steps else steps

    @property
    def seq_len(self) -> int:
        """Characters of the longest chunk, which a short text has shorter than asked for."""
        return min(self.config.seq_len, self.streams.length)

    @property
    def flops(self) -> int:
        """Of the matrix products of a step."""
        return 6 * self.layout.products * self.batch_size * self.config.seq_len

    @property
    def save_every(self) -> int:
        """Steps; evaluations save too, unless the user said when to save."""
        return self.config.save_every or max(1, round(SAVE / self.flops))

    @property
    def nbytes(self) -> int:
        """Memory of weights, packed weights, optimiser, gradients and shards.  Cost: none of that memory."""
        batches = [rows.stop - rows.start for rows in cut(self.batch_size)]
        dtype = np.dtype(self.model.dtype)
        network = Network(self.model, self.layout.vocab_size, _unreal(self.layout.size, dtype), make=_unreal)
        copies = 1 + optimizers.SLOTS[self.config.optimizer] + len(batches)
        shards = [network.shard(batch, self.seq_len, dropout=True) for batch in batches]
        arrays = [*network.panels, *(array for shard in shards for array in shard.memory.values())]
        return copies * network.flat.nbytes + sum(int(array.nbytes) for array in arrays)

    @property
    def saved_nbytes(self) -> int:
        """Of what is saved to go on from, but for names and biases that are 0; at most npz.LARGEST."""
        carried = self.batch_size * self.layout.carried_size
        numbers = (1 + optimizers.SLOTS[self.config.optimizer]) * self.layout.size + carried
        return int(numbers * np.dtype(self.model.dtype).itemsize)

    def of_rank(self, ranks: One, rank: int) -> Plan:
        """The same run as one rank sees it: of the text, the streams of its shards.

        Errors: UsageError where a rank would have none.
        """
        shards = cut(self.batch_size)
        if len(shards) < ranks.size:
            raise UsageError(
                f"{ranks.size} processes, but {self.batch_size} streams are {len(shards)} shards of {SHARD}",
                f"start {len(shards)} at most, or raise --batch-size if the text is long enough",
            )
        own, mine = copy.copy(self), ranks.part(len(shards), rank)
        own.mine = self.streams.part(shards[mine.start].start, shards[mine.stop - 1].stop)
        if rank:
            own.streams, own.split = own.mine, Split(*[self.split.train[:0]] * 3)
            own.layout = Layout(self.model, self.layout.vocab_size)  # what it keeps are kernels too
        return own

    def refuse_other_texts(self, corpus: dict[str, Any], name: str) -> None:
        """Errors: UsageError unless the texts are those of another plan's `corpus`, which `name` has."""
        for key in ("sha256", "vocab", "train", "val", "test", "val_sha256"):
            ours, theirs = self.corpus[key], corpus.get(key)
            if ours != theirs:
                raise UsageError(
                    f"the text is not the one of {name}: its {key} is {ours}, was {theirs}",
                    "resume with the same corpus and --val, or fine-tune on others with --init-from",
                )


def _unreal(shape: int | tuple[int, ...], dtype: Any) -> Array:
    """An array of that shape whose elements are all the same one."""
    return np.broadcast_to(np.zeros((), dtype), shape)
