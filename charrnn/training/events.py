"""The events that a training run yields."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    name: ClassVar[str]

    def record(self) -> dict[str, Any]:
        """Return the event as an object for one line of the log."""
        return {"event": self.name} | asdict(self)


@dataclass(frozen=True)
class Start(Event):
    """The run is set up; compiling comes next."""

    name = "start"
    config: dict[str, Any]  # of the model and of training
    corpus: dict[str, Any]  # chars, train, val, vocab, sha256
    params: int
    threads: int  # of each rank
    seed: int
    version: str
    batch_size: int  # smaller than requested if the text is short
    total_steps: int
    steps_per_epoch: int
    ranks: int = 1  # see parallel/ranks.py
    fitted: str = ""  # a sentence on the options fitted to the text


@dataclass(frozen=True)
class Compiled(Event):
    """All kernels are compiled, or were found in the cache."""

    name = "compiled"
    seconds: float


@dataclass(frozen=True)
class Step(Event):
    """One update of the parameters."""

    name = "step"
    step: int
    epoch: float
    chars: int
    loss: float  # nats per character, on this step's minibatch
    bpc: float
    perplexity: float
    lr: float
    grad_norm: float  # before clipping
    chars_per_s: float  # since the last logged step, training alone
    elapsed_s: float


@dataclass(frozen=True)
class Skipped(Event):
    """A step without an update: its gradient was not finite, or its loss far worse than guessing."""

    name = "skipped"
    step: int
    loss: float
    grad_norm: float


@dataclass(frozen=True)
class Rewound(Event):
    """Several steps were skipped in a row: the run went back to its last saved state, at half the rate."""

    name = "rewound"
    step: int
    lr_scale: float


@dataclass(frozen=True)
class Resumed(Event):
    """The run continues from a checkpoint."""

    name = "resumed"
    step: int
    path: str
    seconds: float = 0.0  # the run took so far, if its schedule spans time


@dataclass(frozen=True)
class Sampled(Event):
    """A sample from the current model."""

    name = "sample"
    step: int
    text: str


@dataclass(frozen=True)
class Evaluating(Event):
    """A validation or test text is about to be scored, which may take long.  Not in the log."""

    name = "evaluating"
    split: str  # val or test


@dataclass(frozen=True)
class Evaluated(Event):
    """The loss on a validation or test text."""

    name = "eval"
    step: int
    epoch: float
    split: str  # val or test
    loss: float
    bpc: float
    perplexity: float
    elapsed_s: float


@dataclass(frozen=True)
class Saved(Event):
    """A checkpoint is on the disk."""

    name = "checkpoint"
    step: int
    path: str
    kind: str  # best: lowest validation loss, or the latest without validation; last: to resume from; or kept
    notes: list[str] = field(default_factory=list)  # what the file system cannot do, each reported once

    def record(self) -> dict[str, Any]:
        return {name: value for name, value in super().record().items() if name != "notes"}


@dataclass(frozen=True)
class End(Event):
    """The last event."""

    name = "end"
    reason: str  # epochs, steps, time, patience, interrupted, diverged
    best: dict[str, Any]  # step, split, loss, bpc, perplexity
    compile_s: float
    train_s: float
    chars_per_s: float  # training steps alone
