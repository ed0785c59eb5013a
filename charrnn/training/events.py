"""What a training run tells whoever listens, one value at a time."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    name: ClassVar[str]

    def record(self) -> dict[str, Any]:
        """The event as one line of the log."""
        return {"event": self.name} | asdict(self)


@dataclass(frozen=True)
class Start(Event):
    """The run is set up; compiling comes next."""

    name = "start"
    config: dict[str, Any]  # the model's and the training's
    corpus: dict[str, Any]  # chars, train, val, vocab, sha256
    params: int
    threads: int  # of each rank
    seed: int
    version: str
    batch_size: int  # smaller than asked for when the text is short
    total_steps: int
    steps_per_epoch: int
    ranks: int = 1  # see ranks.py
    fitted: str = ""  # the options that follow from the text, in a sentence


@dataclass(frozen=True)
class Compiled(Event):
    """All kernels are compiled, or were found compiled."""

    name = "compiled"
    seconds: float


@dataclass(frozen=True)
class Step(Event):
    """One update of the parameters."""

    name = "step"
    step: int
    epoch: float
    chars: int
    loss: float  # nats per character, of this step's minibatch
    bpc: float
    perplexity: float
    lr: float
    grad_norm: float  # before clipping
    chars_per_s: float  # since the last step that was logged, training alone
    elapsed_s: float


@dataclass(frozen=True)
class Skipped(Event):
    """A step that was not learned, because its loss or gradient was not finite or far beyond guessing."""

    name = "skipped"
    step: int
    loss: float
    grad_norm: float


@dataclass(frozen=True)
class Rewound(Event):
    """Several such steps in a row: the run is back at its last saved state, with half the learning rate."""

    name = "rewound"
    step: int
    lr_scale: float


@dataclass(frozen=True)
class Resumed(Event):
    """The run goes on from a checkpoint."""

    name = "resumed"
    step: int
    path: str
    seconds: float = 0.0  # that the run took before, where its schedule spans them


@dataclass(frozen=True)
class Sampled(Event):
    """A text that the model draws now."""

    name = "sample"
    step: int
    text: str


@dataclass(frozen=True)
class Evaluating(Event):
    """A text that is not trained on is about to be read, which may take long.  Not in the log."""

    name = "evaluating"
    split: str  # val or test


@dataclass(frozen=True)
class Evaluated(Event):
    """The loss on a text that is not trained on."""

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
    kind: str  # best on validation, or without one the last; last, to go on from; kept
    notes: list[str] = field(default_factory=list)  # what its file system lacks, told once

    def record(self) -> dict[str, Any]:
        return {name: value for name, value in super().record().items() if name != "notes"}


@dataclass(frozen=True)
class End(Event):
    """Nothing comes after."""

    name = "end"
    reason: str  # epochs, steps, time, patience, interrupted, diverged
    best: dict[str, Any]  # step, split, loss, bpc, perplexity
    compile_s: float
    train_s: float
    chars_per_s: float  # training steps alone
