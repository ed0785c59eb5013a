"""What a model, a training run and a sample are made of: the only place where defaults live."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import UsageError


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a network; with a vocabulary's size it fixes every parameter's shape."""

    cell: str = "lstm"
    hidden_size: int = 256
    num_layers: int = 1
    embed_size: int = 0  # 0: characters enter as one-hot vectors
    dropout: float = 0.0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        at_least("hidden-size", self.hidden_size, 1)
        at_least("num-layers", self.num_layers, 1)
        at_least("embed-size", self.embed_size, 0)
        if not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout is {self.dropout}", "it is a probability below 1")
        if self.dtype not in ("float32", "float64"):
            raise UsageError(f"--dtype is {self.dtype!r}", "choose float32 or float64")


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained: the data's cut, the optimiser and when to stop."""

    batch_size: int = 64
    seq_len: int = 64
    lr: float = 0.008
    clip_norm: float = 1.0  # 0: off
    epochs: float = 20.0
    max_steps: int = 0  # 0: no limit
    val_fraction: float = 0.1
    eval_every: int = 0  # steps; 0: after each epoch
    seed: int = 0
    threads: int = 0  # 0: every core this process may use

    def __post_init__(self) -> None:
        at_least("batch-size", self.batch_size, 1)
        at_least("seq-len", self.seq_len, 1)
        for name, value in (("lr", self.lr), ("epochs", self.epochs)):
            if not 0 < value < float("inf"):
                raise UsageError(f"--{name} is {value}", "it must be above 0")
        at_least("clip-norm", self.clip_norm, 0)
        at_least("max-steps", self.max_steps, 0)
        at_least("eval-every", self.eval_every, 0)
        at_least("threads", self.threads, 0)
        at_least("seed", self.seed, 0)
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"--val-fraction is {self.val_fraction}", "it is a share of the text below 1")


@dataclass(frozen=True)
class SampleConfig:
    """How characters are drawn."""

    length: int = 1000  # 0: without end
    temp: float = 1.0  # 0: always the most likely character
    prime: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("length", self.length, 0)
        at_least("seed", self.seed, 0)
        if not 0 <= self.temp < float("inf"):
            raise UsageError(f"--temp is {self.temp}", "it must be 0 or above")


@dataclass(frozen=True)
class GradcheckConfig:
    """The size of the text that gradients are checked on, and how exactly."""

    vocab_size: int = 7
    seq_len: int = 6
    batch_size: int = 3
    eps: float = 1e-3
    tol: float = 1e-7
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("vocab-size", self.vocab_size, 1)
        at_least("seq-len", self.seq_len, 1)
        at_least("batch-size", self.batch_size, 1)
        at_least("seed", self.seed, 0)
        for name, value in (("eps", self.eps), ("tol", self.tol)):
            if not 0 < value < float("inf"):
                raise UsageError(f"--{name} is {value}", "it must be above 0")


@dataclass(frozen=True)
class BenchSetup:
    """What is timed: training steps of batch_size x seq_len characters, or, with batch_size 0, sampling."""

    hidden_size: int
    num_layers: int
    batch_size: int = 0
    seq_len: int = 1

    def __str__(self) -> str:
        layers = f"{self.num_layers} layer{'s' if self.num_layers > 1 else ''}"
        if not self.batch_size:
            return f"sample H {self.hidden_size}, {layers}"
        return f"train B {self.batch_size}, T {self.seq_len}, H {self.hidden_size}, {layers}"


def at_least(name: str, value: float, least: float) -> None:
    if not value >= least or value == float("inf"):
        raise UsageError(f"--{name} is {value}", f"it must be at least {least}")
