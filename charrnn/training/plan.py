"""What a run will be, known before it begins: its text cut up, its steps, their memory and work."""

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

SAVE = 6e12  # flops between saves: about a minute of them, counted in steps so that no clock decides


def chunks(config: TrainConfig, characters: int) -> int:
    """Steps of an epoch on a text of so many characters to train on."""
    text = np.broadcast_to(np.uint8(0), max(2, characters))  # of which the length alone matters
    return Streams.of(text, config.batch_size, config.seq_len).chunks


def steps_in(config: TrainConfig, chunks: int) -> int:
    """Of a whole run, whose epochs have so many chunks."""
    steps = max(1, round(config.epochs * chunks))
    return min(steps, config.max_steps) if config.max_steps else steps


@dataclass(frozen=True)
class RankPlan:
    """A run as one rank sees it: of the text, the streams of its shards."""

    model: ModelConfig
    config: TrainConfig
    vocabulary: Vocabulary
    corpus: dict[str, Any]  # what is said of the texts in files and logs
    global_batch_size: int  # streams of all ranks
    total_steps: int
    save_every: int
    streams: Streams  # this rank's
    split: Split  # nothing but for rank 0, which reads texts for all
    restarts: Restarts | None  # rank 0's, which decides for all


@dataclass(frozen=True)
class Plan:
    """A run on one corpus; of the model its shapes alone."""

    model: ModelConfig
    config: TrainConfig  # with a learning rate
    vocabulary: Vocabulary
    split: Split
    streams: Streams
    corpus: dict[str, Any]  # what is said of the texts in files and logs

    @classmethod
    def of(cls, corpus: Corpus, model: ModelConfig, config: TrainConfig, val: Ids | None = None) -> Plan:
        """val: a validation text, in place of the corpus's tail.

        Errors: TextError for a corpus too short; UsageError for options that need a validation text.
        """
        split = cut_text(corpus, config, val)
        if not len(split.val) and (config.patience or config.lr_schedule == "plateau"):
            raise UsageError(
                f"{field('patience')} and {field('lr_schedule', 'plateau')} need a text to validate on, and "
                "there is none",
                f"name one with {field('val')} or {field('val_fraction')}",
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
        """Of the matrix products of a step."""
        return 6 * self.layout.products * self.streams.batch_size * self.config.seq_len

    @property
    def save_every(self) -> int:
        """Steps; evaluations save too, unless the user said when to save."""
        return self.config.save_every or max(1, round(SAVE / self.flops))

    @property
    def nbytes(self) -> int:
        """Memory of weights, packed weights, optimiser, gradients and shards.  Cost: none of that memory."""
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
        """Of what is saved to go on from, but for names and biases that are 0; at most npz.LARGEST."""
        carried = self.streams.batch_size * self.layout.carried_size
        numbers = (1 + optimizers.SLOTS[self.config.optimizer]) * self.layout.size + carried
        return int(numbers * np.dtype(self.model.storage).itemsize)

    def of_rank(self, ranks: Ranks = ALONE, rank: int = 0) -> RankPlan:
        """The same run as one rank sees it.  Errors: UsageError where a rank would have no stream."""
        batch_size = self.streams.batch_size
        shards = cut(batch_size)
        if len(shards) < ranks.size:
            raise UsageError(
                f"{ranks.size} processes, but {batch_size} streams are {len(shards)} shards "
                f"of {shards[0].stop}",
                f"start {len(shards)} at most, or raise {field('batch_size')} if the text is long enough",
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
    """For training, validation and test; between documents, where the text has some.

    val: a validation text, in place of the corpus's tail.  Errors: TextError; UsageError.
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
    """An array of that shape whose elements are all the same one."""
    return np.broadcast_to(np.zeros((), dtype), shape)
