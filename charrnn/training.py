"""Training: a generator of events that neither prints nor exits."""

from __future__ import annotations

import hashlib
import math
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__, checkpoint, evaluation, events
from .config import ModelConfig, TrainConfig
from .errors import DivergedError
from .evaluation import perplexity
from .network import Network
from .optimize import Learner
from .parallel import Team
from .text import Split, Streams, Vocabulary


@dataclass
class Clock:
    """Seconds spent in training steps, apart from those spent compiling, evaluating and saving."""

    started: float = field(default_factory=time.perf_counter)
    compile_s: float = 0.0
    train_s: float = 0.0

    @property
    def elapsed_s(self) -> float:
        """Since the start, compiling left out."""
        return time.perf_counter() - self.started - self.compile_s


class Trainer:
    """One run on one text.  `run` yields events; `stop` ends it after the current step."""

    def __init__(
        self, text: str, model: ModelConfig, config: TrainConfig, path: Path, command: list[str] | None = None
    ):
        """text: the corpus.  path: where the best model goes.  Errors: TextError for a text too short."""
        self.config, self.path = config, path
        self.vocabulary = Vocabulary.of(text)
        self.split = Split.of(self.vocabulary.encode(text), config.val_fraction)
        self.streams = Streams.of(self.split.train, config.batch_size, config.seq_len)
        self.network = Network(model, len(self.vocabulary), seed=config.seed)
        self.team = Team(config.threads)
        steps = min(config.seq_len, self.streams.length)
        self.learner = Learner(self.network, self.streams.batch_size, steps, config, self.team)
        self.step = self.chars = 0
        self.best: dict[str, Any] = {}
        self._stopped = False
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        sizes = {"chars": len(text), "train": len(self.split.train), "val": len(self.split.val)}
        self.corpus = sizes | {"vocab": len(self.vocabulary), "sha256": digest}
        self.command = shlex.join(command or sys.argv)

    @property
    def total_steps(self) -> int:
        steps = max(1, round(self.config.epochs * self.streams.chunks))
        return min(steps, self.config.max_steps) if self.config.max_steps else steps

    @property
    def epoch(self) -> float:
        return self.step / self.streams.chunks

    def stop(self) -> None:
        """End after the current step, with everything saved."""
        self._stopped = True

    def run(self) -> Iterator[events.Event]:
        """Train to the end of the budget.  Errors: DivergedError, CheckpointError."""
        try:
            yield self._start()
            clock = Clock()
            self._compile()
            clock.compile_s = time.perf_counter() - clock.started
            yield events.Compiled(clock.compile_s)
            yield from self._steps(clock)
            yield self._end(clock)
        finally:
            self.team.close()

    def _start(self) -> events.Event:
        return events.Start(
            config=asdict(self.network.config) | asdict(self.config),
            corpus=self.corpus,
            params=self.network.layout.size,
            threads=self.team.threads,
            seed=self.config.seed,
            version=__version__,
            batch_size=self.streams.batch_size,
            total_steps=self.total_steps,
            steps_per_epoch=self.streams.chunks,
        )

    def _compile(self) -> None:
        """Run every kernel once on a model of the smallest size, whose types are the same."""
        small = replace(self.network.config, hidden_size=1, num_layers=1, embed_size=0)
        learner = Learner(Network(small, 1), 1, 1, self.config, Team(1))
        learner.step(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8))

    def _steps(self, clock: Clock) -> Iterator[events.Event]:
        every = self.config.eval_every or self.streams.chunks
        while self.step < self.total_steps and not self._stopped:
            yield self._train(clock)
            if self.step % every == 0 and self.step < self.total_steps:
                yield from self._evaluate_and_save(clock)
        yield from self._evaluate_and_save(clock)

    def _train(self, clock: Clock) -> events.Event:
        """One step of truncated BPTT."""
        begun = time.perf_counter()
        chunk = self.step % self.streams.chunks
        if chunk == 0:
            self.learner.reset()
        inputs, targets = self.streams.chunk(chunk)
        loss, norm = self.learner.step(inputs, targets)
        if not math.isfinite(loss + norm):
            raise DivergedError(
                f"the loss became {loss} in step {self.step + 1}, the gradient's norm {norm}",
                f"try a lower --lr (now {self.config.lr:g}) or --clip-norm (now {self.config.clip_norm:g})",
            )
        self.step += 1
        self.chars += inputs.size
        seconds = time.perf_counter() - begun
        clock.train_s += seconds
        return events.Step(
            step=self.step,
            epoch=self.epoch,
            chars=self.chars,
            **_figures(loss),
            lr=self.config.lr,
            grad_norm=norm,
            chars_per_s=inputs.size / seconds,
            elapsed_s=clock.elapsed_s,
        )

    def _evaluate_and_save(self, clock: Clock) -> Iterator[events.Event]:
        """Validation, and a checkpoint when it is the best so far; without validation, a checkpoint."""
        if self.best and self.best["step"] == self.step:
            return
        kind, figures = "last", {}
        if len(self.split.val):
            score = evaluation.evaluate(self.network, self.split.val, self.team)
            figures = _figures(score.loss)
            yield events.Evaluated(self.step, self.epoch, "val", **figures, elapsed_s=clock.elapsed_s)
            if self.best and not score.loss < self.best["loss"]:
                return
            kind = "best"
        self.best = {"step": self.step, "epoch": self.epoch} | figures
        self._save()
        yield events.Saved(self.step, str(self.path), kind)

    def _save(self) -> None:
        meta = {
            "training": asdict(self.config),
            "corpus": self.corpus,
            "metrics": self.best,
            "seed": self.config.seed,
            "command": self.command,
            "numpy": np.__version__,
        }
        checkpoint.save(self.path, checkpoint.Checkpoint(self.network, self.vocabulary, meta))

    def _end(self, clock: Clock) -> events.Event:
        steps_ended = "steps" if self.step == self.config.max_steps else "epochs"
        return events.End(
            reason="interrupted" if self.step < self.total_steps else steps_ended,
            best=self.best,
            compile_s=clock.compile_s,
            train_s=clock.train_s,
            chars_per_s=self.chars / clock.train_s if clock.train_s else 0.0,
        )


def _figures(loss: float) -> dict[str, float]:
    return {"loss": loss, "bpc": loss / math.log(2), "perplexity": perplexity(loss)}
