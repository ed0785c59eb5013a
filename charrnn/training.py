"""Training: a generator of events that neither prints nor exits."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__, checkpoint, evaluation, events, schedule
from .checkpoint import Checkpoint
from .config import ModelConfig, SampleConfig, TrainConfig
from .corpus import Corpus
from .errors import DivergedError, UsageError
from .evaluation import perplexity
from .network import Network
from .optimize import Learner
from .parallel import Team
from .parameters import Array
from .sampling import sample
from .text import Ids, Split, Streams

BAD_STEPS = 3  # in a row, until the run goes back to the last saved state
REWINDS = 5  # until it gives up
SAMPLE = 200  # characters of a sample during training


@dataclass
class Progress:
    """Where a run stands: with the arrays of the last checkpoint, all that the future depends on."""

    step: int = 0
    chars: int = 0
    updates: int = 0
    best: dict[str, Any] = field(default_factory=dict)
    stale: int = 0  # evaluations since the best
    lr_scale: float = 1.0  # halved by plateaus and rewinds
    bad: int = 0  # steps in a row that were not learned
    rewinds: int = 0
    history: list[list[float]] = field(default_factory=list)  # [step, loss] of each evaluation


@dataclass
class Clock:
    """Seconds of this process spent in training steps, apart from compiling, evaluating and saving."""

    started: float = field(default_factory=time.perf_counter)
    compile_s: float = 0.0
    train_s: float = 0.0
    chars: int = 0

    @property
    def elapsed_s(self) -> float:
        """Since the start, compiling left out."""
        return time.perf_counter() - self.started - self.compile_s


class Trainer:
    """One run on one corpus.  `run` yields events; `stop` ends it after the current step."""

    def __init__(
        self,
        corpus: Corpus,
        model: ModelConfig,
        config: TrainConfig,
        path: Path,
        *,
        val: Ids | None = None,
        network: Network | None = None,
        command: list[str] | None = None,
    ):
        """path: where the best model goes; what is needed to go on goes beside it, as NAME.last.npz.

        val: a validation text, in place of the corpus's tail.  network: start from its weights.
        Errors: TextError for a corpus too short.
        """
        self.config, self.path, self.vocabulary = config, path, corpus.vocabulary
        self.last_path = path.with_suffix(".last.npz")
        split = Split.of(corpus.ids, 0.0 if val is not None else config.val_fraction, config.test_fraction)
        self.split = split if val is None else replace(split, val=val)
        self.streams = Streams.of(self.split.train, config.batch_size, config.seq_len)
        self.network = network or Network(model, len(self.vocabulary), seed=config.seed)
        self._initial = self.network.flat.copy()
        self.team = Team(config.threads)
        steps = min(config.seq_len, self.streams.length)
        self.learner = Learner(self.network, self.streams.batch_size, steps, config, self.team)
        self.progress = Progress()
        self._stopped = self._resumed = False
        parts = {name: len(getattr(self.split, name)) for name in ("train", "val", "test")}
        self.corpus: dict[str, Any] = {"chars": len(corpus.ids), **parts}
        self.corpus |= {"vocab": len(self.vocabulary), "sha256": corpus.sha256}
        self.command = shlex.join(command or sys.argv)

    @property
    def total_steps(self) -> int:
        steps = max(1, round(self.config.epochs * self.streams.chunks))
        return min(steps, self.config.max_steps) if self.config.max_steps else steps

    @property
    def epoch(self) -> float:
        return self.progress.step / self.streams.chunks

    def stop(self) -> None:
        """End after the current step, with everything saved."""
        self._stopped = True

    def resume(self) -> None:
        """Go on from NAME.last.npz.  Errors: CheckpointError; UsageError where corpus or options differ."""
        saved = checkpoint.load(self.last_path)
        for name in ("sha256", "train", "val", "vocab"):
            ours, theirs = self.corpus[name], saved.meta["corpus"][name]
            if ours != theirs:
                raise UsageError(
                    f"the corpus is not the one of {self.last_path}: {name} is {ours}, was {theirs}",
                    "resume with the same text, or fine-tune on this one with --init-from",
                )
        self._restore(saved)
        self._resumed = True

    def run(self) -> Iterator[events.Event]:
        """Train to the end of the budget.  Errors: DivergedError, CheckpointError."""
        try:
            yield self._start()
            if self._resumed:
                yield events.Resumed(self.progress.step, str(self.last_path))
            clock = Clock()
            self._compile()
            clock.compile_s = time.perf_counter() - clock.started
            yield events.Compiled(clock.compile_s)
            reason = yield from self._steps(clock)
            yield from self._finish(clock, reason)
        except DivergedError:
            yield self._end(clock, "diverged")
            raise
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
        learner.step(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8), 0.1, 0)

    def _steps(self, clock: Clock) -> Generator[events.Event, None, str]:
        """Returns why it ended."""
        config, progress = self.config, self.progress
        eval_every = config.eval_every or self.streams.chunks
        while (reason := self._reason_to_end(clock)) is None:
            yield from self._train(clock)
            progress = self.progress
            if config.sample_every and progress.step % config.sample_every == 0:
                yield self._sample()
            evaluated = progress.step % eval_every == 0 and progress.bad == 0
            if evaluated:
                yield from self._evaluate(clock)
            if evaluated if not config.save_every else progress.step % config.save_every == 0:
                yield from self._save_last()
        return reason

    def _reason_to_end(self, clock: Clock) -> str | None:
        if self._stopped:
            return "interrupted"
        if self.progress.step >= self.total_steps:
            return "steps" if self.progress.step == self.config.max_steps else "epochs"
        if self.config.max_time and clock.elapsed_s >= self.config.max_time:
            return "time"
        if self.config.patience and self.progress.stale >= self.config.patience:
            return "patience"
        return None

    def _train(self, clock: Clock) -> Iterator[events.Event]:
        """One step of truncated BPTT."""
        begun, progress = time.perf_counter(), self.progress
        chunk = progress.step % self.streams.chunks
        if chunk == 0:
            self.learner.reset()
        inputs, targets = self.streams.chunk(chunk)
        lr = progress.lr_scale * schedule.rate(self.config, progress.step, self.total_steps)
        loss, norm, learned = self.learner.step(inputs, targets, lr, progress.step)
        progress.step += 1
        progress.chars += inputs.size
        progress.updates = self.learner.updates
        seconds = time.perf_counter() - begun
        clock.train_s += seconds
        clock.chars += inputs.size
        if not learned:
            yield from self._not_learned(loss, norm)
            return
        progress.bad = 0
        yield events.Step(
            step=progress.step,
            epoch=self.epoch,
            chars=progress.chars,
            **_figures(loss),
            lr=lr,
            grad_norm=norm,
            chars_per_s=inputs.size / seconds,
            elapsed_s=clock.elapsed_s,
        )

    def _not_learned(self, loss: float, norm: float) -> Iterator[events.Event]:
        """After a few such steps in a row, back to the last saved state with half the learning rate."""
        progress = self.progress
        progress.bad += 1
        yield events.Skipped(progress.step, loss, norm)
        if progress.bad < BAD_STEPS:
            return
        if progress.rewinds == REWINDS:
            raise DivergedError(
                f"training diverged: at step {progress.step} the loss is {loss:.4g}, after {REWINDS} returns"
                " to the last good state with half the learning rate",
                f"start again with a lower --lr (it was {self.config.lr:g}) or --clip-norm",
            )
        scale, rewinds = progress.lr_scale / 2, progress.rewinds + 1
        if self.last_path.exists() and (progress.history or self._resumed):
            self._restore(checkpoint.load(self.last_path))
        else:
            self.network.flat[...] = self._initial
            self.learner.slots[...] = 0
            self.learner.updates = 0
            self.progress = Progress()
        self.progress.lr_scale, self.progress.rewinds, self.progress.bad = scale, rewinds, 0
        yield events.Rewound(self.progress.step, scale)

    def _evaluate(self, clock: Clock) -> Iterator[events.Event]:
        """Validation; the best model so far is saved.  Without a validation text, the last is."""
        progress, figures = self.progress, {}
        if len(self.split.val):
            figures = _figures(evaluation.evaluate(self.network, self.split.val, self.team).loss)
            yield events.Evaluated(progress.step, self.epoch, "val", **figures, elapsed_s=clock.elapsed_s)
            progress.history.append([progress.step, figures["loss"]])
            if progress.best and not figures["loss"] < progress.best["loss"]:
                progress.stale += 1
                if self.config.lr_schedule == "plateau":
                    progress.lr_scale /= 2
                return
        progress.stale = 0
        progress.best = {"step": progress.step, "epoch": self.epoch} | figures
        yield self._save(self.path, "best")

    def _save(self, path: Path, kind: str, extra: dict[str, Array] | None = None) -> events.Event:
        meta = {
            "training": asdict(self.config),
            "corpus": self.corpus,
            "metrics": self.progress.best,
            "seed": self.config.seed,
            "command": self.command,
            "numpy": np.__version__,
        }
        if extra is None:
            meta["history"] = self.progress.history
        else:
            meta["progress"] = asdict(self.progress)
        checkpoint.save(path, Checkpoint(self.network, self.vocabulary, meta, extra or {}))
        return events.Saved(self.progress.step, str(path), kind)

    def _save_last(self) -> Iterator[events.Event]:
        """What is needed to go on, and, where asked for, one of the last few models."""
        extra = {f"optim.{i}": slot for i, slot in enumerate(self.learner.slots)}
        yield self._save(self.last_path, "last", extra | {"state.carried": self.learner.state})
        if self.config.keep_last:
            name = f"{self.path.stem}.step{self.progress.step:09}.npz"
            yield self._save(self.path.with_name(name), "kept")
            kept = sorted(self.path.parent.glob(f"{self.path.stem}.step?????????.npz"))
            for old in kept[: -self.config.keep_last]:
                old.unlink()

    def _restore(self, saved: Checkpoint) -> None:
        self.network.flat[...] = saved.network.flat
        for i, slot in enumerate(self.learner.slots):
            slot[...] = saved.extra[f"optim.{i}"]
        self.learner.state = saved.extra["state.carried"]
        self.progress = Progress(**saved.meta["progress"])
        self.learner.updates = self.progress.updates

    def _sample(self) -> events.Event:
        config = SampleConfig(length=SAMPLE, temp=0.8, seed=self.config.seed)
        model = Checkpoint(self.network, self.vocabulary, {})
        return events.Sampled(self.progress.step, "".join(sample(model, config)))

    def _finish(self, clock: Clock, reason: str) -> Iterator[events.Event]:
        """The last evaluation, unless someone waits; the last save; the test, by the best model."""
        step = self.progress.step
        done = bool(self.progress.history) and self.progress.history[-1][0] == step
        if not self.progress.best or (reason != "interrupted" and not done):
            if reason == "interrupted":
                yield self._save(self.path, "best")
            else:
                yield from self._evaluate(clock)
        yield from self._save_last()
        if len(self.split.test) and reason != "interrupted":
            best = checkpoint.load(self.path).network
            figures = _figures(evaluation.evaluate(best, self.split.test, self.team).loss)
            yield events.Evaluated(step, self.epoch, "test", **figures, elapsed_s=clock.elapsed_s)
        yield self._end(clock, reason)

    def _end(self, clock: Clock, reason: str) -> events.Event:
        return events.End(
            reason=reason,
            best=self.progress.best,
            compile_s=clock.compile_s,
            train_s=clock.train_s,
            chars_per_s=clock.chars / clock.train_s if clock.train_s else 0.0,
        )


def _figures(loss: float) -> dict[str, float]:
    return {"loss": loss, "bpc": loss / math.log(2), "perplexity": perplexity(loss)}
