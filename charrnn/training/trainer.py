"""The training loop: a generator of events that neither prints nor exits."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

from ..array_types import Ids
from ..checkpoint.checkpoint import Checkpoint
from ..checkpoint.names import RunNames
from ..checkpoint.reading import load
from ..checkpoint.run_progress import Progress
from ..errors import DivergedError, field
from ..kernels.helpers import helped
from ..model.network import Network
from ..parallel.ranks import ALONE, Ranks
from ..parallel.threads import Team
from ..scoring.metrics import Metrics, bits, perplexity
from ..scoring.reader import evaluate, evaluate_documents
from ..version import __version__
from . import events
from .budget import Budget
from .clock import Clock
from .compile_kernels import calls, compile_kernels
from .learner import Learner
from .origin import Origin
from .plan import RankPlan
from .resume import carry_on, refuse_other_texts
from .run_files import RunFiles
from .samples import sampled

BAD_STEPS = 3  # skipped in a row until the run goes back to the last saved state
REWINDS = 5  # until the run gives up


class Trainer:
    """One run on one corpus.  `run` yields events; `stop` ends it after the current step.

    With several ranks, each has a trainer, and all make the same decisions.
    """

    def __init__(
        self,
        plan: RankPlan,
        out: Path,
        *,
        network: Network | None = None,
        origin: Origin | None = None,
        ranks: Ranks = ALONE,
    ):
        """out: path of the best model, NAME.npz; the state to resume from goes next to it (RunNames).

        network: start from its weights; all ranks use those of rank 0.
        """
        self.plan, self.config, self.ranks = plan, plan.config, ranks
        self.network = network or Network(plan.model, len(plan.vocabulary), seed=self.config.seed)
        self.team = Team(self.config.threads, ranks)
        self.learner = Learner(
            self.network, plan.global_batch_size, plan.streams.longest, self.config, self.team, ranks
        )
        self.learner.spread()
        self.progress, self.clock = Progress(), Clock()
        self.budget = Budget(plan, ranks, self.clock)
        self._stopped = self._saved = False
        self._streams, self._epoch_read = plan.streams, -1  # of the current epoch
        meta = {"training": asdict(self.config), "corpus": plan.corpus, "seed": self.config.seed}
        meta |= (origin or Origin()).meta
        self.files = RunFiles(RunNames.of(out), self.learner, plan.vocabulary, meta)

    @property
    def epoch(self) -> float:
        return self.progress.step / self.plan.streams.chunks

    def stop(self) -> None:
        """End the run after the current step, with everything saved."""
        self._stopped = True

    def resume(self) -> str:
        """Continue from NAME.last.npz; return a note for the user, or an empty string.

        Errors: CheckpointError; UsageError if the texts differ.
        """
        again = ""
        if saved := self.files.load_last():
            refuse_other_texts(self.plan.corpus, saved.meta.get("corpus", {}), self.files.names.last)
            again = carry_on(self.files.meta, saved, self.config, self.plan.total_steps)
        self.progress = self.files.restore(saved)
        self.clock.before, self._saved = self.progress.seconds, True
        return "; ".join(filter(None, (self.files.without_best(self.progress), again)))

    def run(self) -> Iterator[events.Event]:
        """Train to the end of the budget.  Errors: DivergedError, CheckpointError."""
        try:
            with self._helped():
                yield self._start()
                if self._saved:
                    yield events.Resumed(self.progress.step, str(self.files.names.last), self.clock.before)
                self.clock.started = time.perf_counter()
                compile_kernels(self.network.config, self.config)
                self.clock.compile_s = time.perf_counter() - self.clock.started
            yield events.Compiled(self.clock.compile_s)
            if not self._saved:
                self.files.remove_kept(0, 0)
                yield from self._save_last()
                self.files.remove_best()  # of an older run, which this one overwrites
            reason = yield from self._steps()
            yield from self._finish(reason)
        except DivergedError:
            yield self._end("diverged")
            raise
        finally:
            self.team.close()

    def _helped(self) -> AbstractContextManager[None]:
        """Start helpers to compile, unless there are other ranks, which compile at the same time."""
        return nullcontext() if self.ranks.size > 1 else helped(calls, self.network.config, self.config)

    def _start(self) -> events.Event:
        return events.Start(
            config=asdict(self.network.config) | asdict(self.config),
            corpus=self.plan.corpus,
            params=self.network.layout.size,
            threads=self.team.threads,
            ranks=self.ranks.size,
            seed=self.config.seed,
            version=__version__,
            batch_size=self.plan.global_batch_size,
            total_steps=self.plan.total_steps,
            steps_per_epoch=self.plan.streams.chunks,
            fitted=self.files.meta["fitted"],
        )

    def _steps(self) -> Generator[events.Event, None, str]:
        """Train until the budget is used up; return the reason to end."""
        config = self.config
        eval_every = config.eval_every or self.plan.streams.chunks
        while not (reason := self.budget.reason_to_end(self.progress, self._stopped)):
            if not self.progress.pending:
                learned = yield from self._train()
                if not learned:
                    continue
                wanted = config.sample_every and not self.ranks.rank
                if wanted and self.progress.step % config.sample_every == 0:
                    yield self.sample()
            step = self.progress.step
            due = self.progress.pending or step % eval_every == 0
            save = step % self.plan.save_every == 0 or (due and not config.save_every)
            if (due or save) and not self.files.finite():
                yield from self._rewind(math.nan)
                continue
            if due:
                yield from self._evaluate()
            if save and not self.progress.bad:
                yield from self._save_last()
        return reason

    def _train(self) -> Generator[events.Event, None, bool]:
        """Do one step of truncated BPTT; return whether it made an update."""
        begun, progress = time.perf_counter(), self.progress
        epoch, chunk = divmod(progress.step, self.plan.streams.chunks)
        if chunk == 0:
            self.learner.reset()
        if epoch != self._epoch_read:
            self._streams, self._epoch_read = self.plan.streams.of_epoch(epoch), epoch
        self.learner.restart(self._restarting())
        inputs, targets = self._streams.chunk(chunk)
        lr, number, updates = self.budget.rate(progress), progress.step, progress.updates
        loss, norm, learned = self.learner.step(
            inputs, targets, lr, number, updates, self._streams.fresh(chunk)
        )
        progress.step += 1
        progress.updates += learned
        chars = self.plan.global_batch_size * inputs.shape[1]
        progress.chars += chars
        seconds = time.perf_counter() - begun
        self.clock.train_s += seconds
        self.clock.chars += chars
        if not learned:
            progress.bad += 1
            yield events.Skipped(progress.step, loss, norm)
            if progress.bad >= BAD_STEPS:
                yield from self._rewind(loss)
            return False
        progress.bad = 0
        yield events.Step(
            step=progress.step,
            epoch=self.epoch,
            chars=progress.chars,
            **_figures(loss),
            lr=lr,
            grad_norm=norm,
            chars_per_s=chars / seconds,
            elapsed_s=self.clock.elapsed_s,
        )
        return True

    def _restarting(self) -> int:
        """Return the stream to reset, as rank 0 decides."""
        restarts = self.plan.restarts
        return self.ranks.allreduce_max(restarts.at(self.progress.step) if restarts else -1)

    def _rewind(self, loss: float) -> Iterator[events.Event]:
        """Go back to the last saved state, with half the learning rate, after several skipped steps."""
        progress = self.progress
        if progress.rewinds == REWINDS:
            raise self._diverged(loss)
        self.progress = self.files.restore(self.files.load_last())
        self.progress.best, self.progress.stale = progress.best, progress.stale
        self.progress.lr_scale, self.progress.rewinds = progress.lr_scale / 2, progress.rewinds + 1
        self.progress.schedule_step, self.progress.schedule_s = progress.schedule_step, progress.schedule_s
        self.progress.bad = 0
        yield events.Rewound(self.progress.step, self.progress.lr_scale)
        yield from self._save_last()

    def _diverged(self, loss: float) -> DivergedError:
        if self.files.meta["init_sha256"] and not self.progress.updates:
            return DivergedError(
                "no step succeeded: the model that this run started from overflows on this text",
                f"train that model again with a lower {field('lr')} or {field('clip_norm')}",
            )
        return DivergedError(
            f"training diverged: at step {self.progress.step} the loss is {loss:.4g}, after going back"
            f" {REWINDS} times to the last good state and halving the learning rate",
            f"start again with a lower {field('lr')} (it was {self.config.lr:g}) or {field('clip_norm')}",
        )

    def _evaluate(self) -> Iterator[events.Event]:
        """Validate, and save the model if it is the best so far, or if there is no validation text."""
        progress, figures = self.progress, {}
        progress.pending = True
        if self.plan.corpus["val"]:
            yield events.Evaluating("val")
            metrics = self._metrics(self.network, self.plan.split.val)
            if metrics is None:
                return
            figures = _figures(metrics.loss)
            seconds = self.clock.elapsed_s
            yield events.Evaluated(progress.step, self.epoch, "val", **figures, elapsed_s=seconds)
            if not (math.isfinite(metrics.loss) or progress.best):
                raise DivergedError(
                    f"training diverged: at step {progress.step} the model overflows on the validation text",
                    f"start again with a lower {field('lr')} (it was {self.config.lr:g})",
                )
            progress.record(progress.step, figures["loss"])
        progress.pending = False
        if figures and progress.best and not figures["loss"] < progress.best["loss"]:
            progress.stale += 1
            if self.config.lr_schedule == "plateau":
                progress.lr_scale /= 2
            return
        progress.stale = progress.rewinds = 0
        progress.best = {"step": progress.step, "epoch": self.epoch} | figures
        yield self.files.save_best(progress)

    def _test(self) -> Iterator[events.Event]:
        yield events.Evaluating("test")
        if metrics := self._metrics(self.files.best(), self.plan.split.test):
            figures = _figures(metrics.loss)
            self.files.add_test(figures)
            yield events.Evaluated(
                self.progress.step, self.epoch, "test", **figures, elapsed_s=self.clock.elapsed_s
            )

    def _metrics(self, network: Network, ids: Ids) -> Metrics | None:
        """Score a text; return None if the run is being stopped."""
        how = self.team, lambda: self._stopped, self.ranks
        newline, kind = self.plan.vocabulary.newline, self.config.documents
        if kind and newline is not None:
            return evaluate_documents(network, ids, newline, kind, *how)
        return evaluate(network, ids, *how)

    def _save_last(self) -> Iterator[events.Event]:
        self.progress.seconds = self.budget.seconds()
        yield from self.files.save_last(self.progress)
        self._saved = True

    def sample(self, best: bool = False) -> events.Sampled:
        """Sample from the current model, or from the best one saved."""
        model, step = Checkpoint(self.network, self.plan.vocabulary, {}), self.progress.step
        if best:
            model, step = load(self.files.names.best), self.progress.best["step"]
        return events.Sampled(step, sampled(model, self.config.seed))

    def _finish(self, reason: str) -> Iterator[events.Event]:
        """Save; then, unless interrupted, validate once more and test the best model.

        A validation that is not on schedule comes after the save, so that it does not affect a resumed run.
        """
        evaluated = self.progress.evaluated
        if self.files.finite():
            yield from self._save_last()
        if reason != "interrupted" and not evaluated:
            yield from self._evaluate()
        elif not self.progress.best or not self.plan.corpus["val"]:
            yield self.files.save_best(self.progress)
        if self.plan.corpus["test"] and reason != "interrupted":
            yield from self._test()
        yield self._end(reason)

    def _end(self, reason: str) -> events.Event:
        return events.End(
            reason=reason,
            best=self.progress.best,
            compile_s=self.clock.compile_s,
            train_s=self.clock.train_s,
            chars_per_s=self.clock.chars_per_s,
        )


def _figures(loss: float) -> dict[str, float]:
    return {"loss": loss, "bpc": bits(loss), "perplexity": perplexity(loss)}
