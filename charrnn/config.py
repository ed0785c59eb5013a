"""The options of models, training, sampling and scoring, with all their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from .errors import UsageError, field

WIDEST = 4096  # largest attention window, in steps
DTYPES = ("float32", "bfloat16", "float64")
CHECKED = ("float32", "float64")  # precisions in which finite differences can check gradients
LEVELS = ("char", "byte")
UNKNOWN = ("error", "skip")  # what to do with characters that a model lacks
SCORED_UNKNOWN = (*UNKNOWN, "score")  # score: as any character of Unicode, all equally likely
ENCODING_ERRORS = ("strict", "replace", "skip")  # what to do with undecodable bytes
DOCUMENTS = ("line", "blank")  # what ends a document: a line end, or a blank line
JOIN = ("newline", "nothing")  # put between files read as one, if the first has no final line end


def symbol(level: str) -> str:
    """Return what texts of a level consist of: bytes or characters."""
    return "byte" if level == "byte" else "character"


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a network; with the size of the vocabulary, it fixes the shape of every parameter.

    `charrnn train` fits options that are not given to the text: see training/fitting.py.
    """

    cell: str = "lstm"
    hidden_size: int = 256
    num_layers: int = 1
    embed_size: int = 0  # 0: characters enter as one-hot vectors
    dropout: float = 0.25
    dtype: str = "float32"
    attention: int = 0  # how many steps each step looks back; 0: no attention

    def __post_init__(self) -> None:
        at_least("hidden_size", self.hidden_size, 1)
        at_least("num_layers", self.num_layers, 1)
        at_least("embed_size", self.embed_size, 0)
        if not 0 <= self.dropout < 1:
            raise UsageError(f"{field('dropout')} is {self.dropout}", "it must be a probability below 1")
        one_of("dtype", self.dtype, DTYPES)
        at_least("attention", self.attention, 0)
        at_most("attention", self.attention, WIDEST)

    @property
    def storage(self) -> str:
        """The type of parameters and states: with bfloat16, only the factors of matrix products have it."""
        return "float32" if self.dtype == "bfloat16" else self.dtype

    @property
    def attention_size(self) -> int:
        """Size of queries, keys and values: an eighth of the hidden size, or 32, to cost little."""
        return min(self.hidden_size, max(32, self.hidden_size // 8))


# Learning rates that did well for 128 to 512 hidden units (docs/training.md). For optimizers that divide by
# the gradient's size, also the hidden size above which the rate falls in proportion (Yang et al. 2021).
LEARNING_RATES = {
    "adam": (0.02, 128),
    "adamw": (0.02, 128),
    "rmsprop": (0.01, 128),
    "adagrad": (0.1, 128),
    "momentum": (0.5, None),
    "sgd": (5.0, None),
}
SHAKEN, STEADY_BATCH = ("gru", "rnn"), 64  # cells that need a lower rate with batches smaller than this
OPTIMIZERS = tuple(LEARNING_RATES)
LARGEST_SEED = 10**18 - 1  # that a checkpoint can hold
MOST_EPOCHS, LONGEST_TIME = 1e9, 1e9  # LONGEST_TIME in seconds: 30 years
SCHEDULES = ("constant", "cosine", "step", "plateau")
SPANS = ("steps", "time")  # what a schedule spans


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained: how the text is split, the optimizer, when to stop and what to keep.

    `charrnn train` fits batch_size and epochs to the text if they are not given: see training/fitting.py.
    """

    level: str = "char"  # or byte
    encoding: str = "utf-8"
    encoding_errors: str = "strict"
    join: str = "newline"
    shuffle_lines: bool = False  # before the text is split
    documents: str = ""  # line or blank: lines, or blocks between blank lines, are texts of their own
    val_fraction: float = 0.1
    test_fraction: float = 0.0
    unknown: str = "error"  # or skip: characters of a validation text that the model lacks
    optimizer: str = "adam"
    lr: float = 0.0  # 0: see `tuned`
    lr_schedule: str = "cosine"
    schedule_over: str = "steps"  # or time, if max_time alone limits the run: what the schedule spans
    warmup: int = 100  # steps
    weight_decay: float = 0.0
    clip_norm: float = 1.0  # 0: off
    clip_value: float = 0.0  # 0: off
    weight_clip: float = 0.0  # 0: off
    teacher_forcing: float = 1.0  # share of inputs from the text; the rest are the model's own predictions
    seq_len: int = 64
    batch_size: int = 64
    epochs: float = 18.0
    max_steps: int = 0  # 0: no limit
    max_time: float = 0.0  # seconds; 0: no limit
    patience: int = 0  # validations without improvement; 0: no limit
    eval_every: int = 0  # steps; 0: after each epoch
    save_every: int = 0  # steps; 0: after each evaluation, and about every minute
    keep_last: int = 0
    sample_every: int = 0  # steps; 0: never
    seed: int = 0
    threads: int = 0  # 0: one per core available to this process

    def __post_init__(self) -> None:
        for name in ("batch_size", "seq_len"):
            at_least(name, getattr(self, name), 1)
        for name in (
            *("warmup", "weight_decay", "clip_norm", "clip_value", "weight_clip", "max_steps", "max_time"),
            *("lr", "patience", "eval_every", "save_every", "keep_last", "sample_every", "seed", "threads"),
        ):
            at_least(name, getattr(self, name), 0)
        above("epochs", self.epochs)
        at_most("epochs", self.epochs, MOST_EPOCHS)
        at_most("seed", self.seed, LARGEST_SEED)
        at_most("max_time", self.max_time, LONGEST_TIME)
        if not 0 <= self.teacher_forcing <= 1:
            raise UsageError(
                f"{field('teacher_forcing')} is {self.teacher_forcing}", "it must be from 0 to 1"
            )
        for name in ("val_fraction", "test_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(
                    f"{field(name)} is {getattr(self, name)}", "it must be a share of the text below 1"
                )
        one_of("level", self.level, LEVELS)
        one_of("encoding_errors", self.encoding_errors, ENCODING_ERRORS)
        one_of("join", self.join, JOIN)
        one_of("documents", self.documents, ("", *DOCUMENTS))
        one_of("unknown", self.unknown, UNKNOWN)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        one_of("lr_schedule", self.lr_schedule, SCHEDULES)
        one_of("schedule_over", self.schedule_over, SPANS)
        if self.schedule_over == "time":
            above("max_time", self.max_time)

    def tuned(self, model: ModelConfig) -> TrainConfig:
        """Return a copy with a learning rate: the given one, or one for optimizer, size, cell and batch."""
        rate, widest = LEARNING_RATES[self.optimizer]
        scale = min(1.0, widest / model.hidden_size) if widest else 1.0
        if model.cell in SHAKEN:
            scale *= min(1.0, sqrt(self.batch_size / STEADY_BATCH))
        return self if self.lr else replace(self, lr=rate * scale)


@dataclass(frozen=True)
class SampleConfig:
    """How characters are sampled, and when a sample ends."""

    length: int = 1000  # 0: endless
    temp: float = 1.0  # 0: always the most likely character
    top_k: int = 0  # sample from this many of the most likely characters; 0: all
    top_p: float = 1.0  # sample from the most likely characters that together reach this share; 1: off
    min_p: float = 0.0  # sample from characters at least this share as likely as the most likely; 0: off
    repeat_penalty: float = 1.0  # factor for the ln p of characters read recently; 1: off
    prime: str = ""
    stop: tuple[str, ...] = ()  # texts that end a sample
    unknown: str = "error"  # or skip: characters of prime and stop that the model lacks
    num: int = 1
    seed: int = 0
    threads: int = 0  # 0: one per core available to this process

    def __post_init__(self) -> None:
        for name in ("length", "top_k", "seed", "threads"):
            at_least(name, getattr(self, name), 0)
        at_least("num", self.num, 1)
        at_least("temp", self.temp, 0)
        above("repeat_penalty", self.repeat_penalty)
        if not 0 < self.top_p <= 1:
            raise UsageError(f"{field('top_p')} is {self.top_p}", "it must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"{field('min_p')} is {self.min_p}", "it must be from 0 to 1")
        one_of("unknown", self.unknown, UNKNOWN)
        if "" in self.stop:
            raise UsageError(f"{field('stop')} is empty", "name the text that ends a sample")
        if self.num > 1 and not self.length:
            raise UsageError(
                f"{field('length')} is 0 and {field('num')} is {self.num}",
                "only a single sample can be endless",
            )


@dataclass(frozen=True)
class EvalConfig:
    """How texts are scored."""

    stateless: bool = False  # each line on its own
    dynamic: bool = False  # keep training on the text while scoring it
    lr: float = 2e-4  # learning rate for `dynamic`; on Shakespeare with 256 units, 1e-4 to 4e-4 did well
    unknown: str = "error"  # or skip, or score
    encoding: str = "utf-8"
    encoding_errors: str = "strict"

    def __post_init__(self) -> None:
        if self.stateless and self.dynamic:
            raise UsageError(
                f"{field('stateless')} and {field('dynamic')} are both given",
                "choose one: dynamic evaluation carries its state from line to line",
            )
        above("lr", self.lr)
        one_of("unknown", self.unknown, SCORED_UNKNOWN)
        one_of("encoding_errors", self.encoding_errors, ENCODING_ERRORS)


@dataclass(frozen=True)
class GradcheckConfig:
    """The text on which gradients are checked, and the tolerance."""

    vocab_size: int = 7
    seq_len: int = 6
    batch_size: int = 3
    eps: float = 0.2
    tol: float = 1e-8
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("vocab_size", self.vocab_size, 1)
        at_least("seq_len", self.seq_len, 1)
        at_least("batch_size", self.batch_size, 1)
        at_least("seed", self.seed, 0)
        above("eps", self.eps)
        above("tol", self.tol)


@dataclass(frozen=True)
class BenchSetup:
    """A benchmark: training steps of batch_size x seq_len characters, or sampling if batch_size is 0."""

    hidden_size: int
    num_layers: int
    batch_size: int = 0
    seq_len: int = 1

    def __str__(self) -> str:
        layers = f"{self.num_layers} layer{'s' if self.num_layers > 1 else ''}"
        if not self.batch_size:
            return f"sample H {self.hidden_size}, {layers}"
        return f"train B {self.batch_size}, T {self.seq_len}, H {self.hidden_size}, {layers}"


def of_type(name: str, value: Any) -> Any:
    """Return a value as the type of a field of ModelConfig or TrainConfig; an int is accepted for a float.

    A str is accepted for max_time, such as "5m".
    Errors: UsageError for other types.
    """
    wanted = type((vars(ModelConfig()) | vars(TrainConfig()))[name])
    kinds = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
    if name == "max_time" and isinstance(value, str):
        return value
    if type(value) is wanted or (wanted is float and type(value) is int):
        return wanted(value)
    raise UsageError(f"{field(name)} is {value!r}", f"it must be {kinds[wanted]}")


def at_least(name: str, value: float, least: float) -> None:
    """Raise a UsageError for a value that is below `least`, infinite or NaN."""
    if not least <= value < float("inf"):
        raise UsageError(f"{field(name)} is {value}", f"it must be at least {least}")


def at_most(name: str, value: float, most: float) -> None:
    """Raise a UsageError for a value above `most`."""
    if value > most:
        raise UsageError(f"{field(name)} is {value}", f"it must be at most {most:g}")


def above(name: str, value: float) -> None:
    """Raise a UsageError for a value that is not above 0 and finite."""
    if not 0 < value < float("inf"):
        raise UsageError(f"{field(name)} is {value}", "it must be above 0")


def one_of(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise a UsageError that lists the choices, for a value that is none of them."""
    if value not in choices:
        raise UsageError(f"{field(name)} is {value!r}", f"choose one of: {', '.join(choices)}")
