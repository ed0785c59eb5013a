"""Plan a run before it begins: the text cut up, the number of steps, their memory and work."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..array_types import Array, Ids
from ..config import ModelConfig, TrainConfig
from ..errors import UsageError, field
from ..kernels import optimizers
from ..model.layout import Layout
from ..model.network import Network
from ..model.shard import Shard
from ..parallel.batch_shards import cut
from ..parallel.ranks import ALONE, Ranks
from ..text.corpus import Corpus
from ..text.documents import Documents, DocumentStreams
from ..text.documents import split as split_documents
from ..text.streams import Split, Streams
from ..text.vocabulary import Vocabulary
from .stream_restarts import Restarts

SAVE = 6e12  # flops between saves: about a minute, counted in steps so that the clock does not matter


def chunks(config: TrainConfig, characters: int) -> int:
    """Return the steps per epoch for this number of training characters."""
    text = np.broadcast_to(np.uint8(0), max(2, characters))  # only its length matters
    return Streams.of(text, config.batch_size, config.seq_len).chunks


def steps_in(config: TrainConfig, chunks: int) -> int:
    """Return the steps of a whole run with this number of chunks per epoch."""
    steps = max(1, round(config.epochs * chunks))
    return min(steps, config.max_steps) if config.max_steps else steps


@dataclass(frozen=True)
class RankPlan:
    """A run as one rank sees it, with the streams of its shards alone."""

    model: ModelConfig
    config: TrainConfig
    vocabulary: Vocabulary
    corpus: dict[str, Any]  # what files and logs record about the texts
    global_batch_size: int  # streams of all ranks
    total_steps: int
    save_every: int
    streams: Streams  # this rank's
    split: Split  # empty except on rank 0, which scores texts for all
    restarts: Restarts | None  # on rank 0, which decides for all


@dataclass(frozen=True)
class Plan:
    """A run on one corpus; of the model, only its shapes."""

    model: ModelConfig
    config: TrainConfig  # with its learning rate set
    vocabulary: Vocabulary
    split: Split
    streams: Streams
    corpus: dict[str, Any]  # what files and logs record about the texts

    @classmethod
    def of(cls, corpus: Corpus, model: ModelConfig, config: TrainConfig, val: Ids | None = None) -> Plan:
        """Plan a run.  val: a validation text, in place of the end of the corpus.

        Errors: TextError for a short corpus; UsageError for options that need a validation text.
        """
        split = cut_text(corpus, config, val)
        if not len(split.val) and (config.patience or config.lr_schedule == "plateau"):
            raise UsageError(
                f"{field('patience')} and {field('lr_schedule', 'plateau')} need a validation text, but "
                "there is none",
                f"set {field('val')} or {field('val_fraction')}",
            )
        said: dict[str, Any] = {"chars": len(corpus.ids)}
        said |= {name: len(getattr(split, name)) for name in ("train", "val", "test")}
        said |= {"vocab": len(corpus.vocabulary), "sha256": corpus.sha256}
        said["val_sha256"] = hashlib.sha256(np.ascontiguousarray(split.val).data).hexdigest()
        streams = _streams(split.train, corpus.vocabulary, config)
        return cls(model, config.tuned(model), corpus.vocabulary, split, streams, said)

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.model, len(self.vocabulary))

    @property
    def total_steps(self) -> int:
        return steps_in(self.config, self.streams.chunks)

    @property
    def flops(self) -> int:
        """Floating-point operations in the matrix products of a step."""
        return 6 * self.layout.products * self.streams.batch_size * self.config.seq_len

    @property
    def save_every(self) -> int:
        """Steps between saves; evaluations save too, unless the user set save_every."""
        return self.config.save_every or max(1, round(SAVE / self.flops))

    @property
    def nbytes(self) -> int:
        """Memory of weights, packed weights, optimizer, gradients and shards; none of it is allocated."""
        batches = [rows.stop - rows.start for rows in cut(self.streams.batch_size)]
        dtype = np.dtype(self.model.storage)
        network = Network(self.model, self.layout.vocab_size, _unreal(self.layout.size, dtype), make=_unreal)
        copies = 1 + optimizers.SLOTS[self.config.optimizer] + len(batches)
        documents = bool(self.config.documents)
        shards = [Shard(network, batch, self.streams.longest, True, documents) for batch in batches]
        panels = [*network.panels[:-1], *(network.panels.attention or ())]
        arrays = [*panels, *(array for shard in shards for array in shard.memory.values())]
        return copies * network.flat.nbytes + sum(int(array.nbytes) for array in arrays)

    @property
    def saved_nbytes(self) -> int:
        """Size of NAME.last.npz, without names and biases that are 0; the limit is npz.LARGEST."""
        carried = self.streams.batch_size * self.layout.carried_size
        numbers = (1 + optimizers.SLOTS[self.config.optimizer]) * self.layout.size + carried
        return int(numbers * np.dtype(self.model.storage).itemsize)

    def of_rank(self, ranks: Ranks = ALONE, rank: int = 0) -> RankPlan:
        """Return the run as one rank sees it.  Errors: UsageError if a rank would have no stream."""
        batch_size = self.streams.batch_size
        shards = cut(batch_size)
        if len(shards) < ranks.size:
            raise UsageError(
                f"{ranks.size} processes are too many: {batch_size} streams make {len(shards)} shards "
                f"of {shards[0].stop}",
                f"start at most {len(shards)}, or raise {field('batch_size')} if the text is long enough",
            )
        mine = ranks.part(len(shards), rank)
        return RankPlan(
            model=self.model,
            config=self.config,
            vocabulary=self.vocabulary,
            corpus=self.corpus,
            global_batch_size=batch_size,
            total_steps=self.total_steps,
            save_every=self.save_every,
            streams=self.streams.part(shards[mine.start].start, shards[mine.stop - 1].stop),
            split=Split(*[self.split.train[:0]] * 3) if rank else self.split,
            restarts=None if rank or self.config.documents else Restarts.of(self.streams, self.vocabulary),
        )


def cut_text(corpus: Corpus, config: TrainConfig, val: Ids | None = None) -> Split:
    """Split a corpus into training, validation and test text; between documents, if it has any.

    val: a validation text, in place of the end of the corpus.  Errors: TextError; UsageError.
    """
    fractions = 0.0 if val is not None else config.val_fraction, config.test_fraction
    if config.documents:
        split = split_documents(corpus.ids, corpus.vocabulary.newline, config.documents, *fractions)
    else:
        split = Split.of(corpus.ids, *fractions)
    return split if val is None else replace(split, val=val)


def _streams(train: Ids, vocabulary: Vocabulary, config: TrainConfig) -> Streams:
    newline = vocabulary.newline
    if not config.documents or newline is None:
        return Streams.of(train, config.batch_size, config.seq_len)
    documents = Documents(train, newline, config.documents, config.seed)
    return DocumentStreams.made(documents, config.batch_size, config.seq_len)


def _unreal(shape: int | tuple[int, ...], dtype: Any) -> Array:
    """Return an array of this shape whose elements share one place in memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)
