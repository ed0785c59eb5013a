"""Training: a generator of events that neither prints nor exits."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
from ..scoring.reader import evaluate
from ..version import __version__
from . import events, schedule
from .clock import Clock
from .compile_kernels import calls, compile_kernels
from .learner import Learner
from .plan import RankPlan
from .resume import refuse_other_texts
from .run_files import RunFiles
from .samples import sampled
from .stopping import REASONS, reason_to_end

BAD_STEPS = 3  # in a row, until the run goes back to the last saved state
REWINDS = 5  # until it gives up


class Trainer:
    """One run on one corpus.  `run` yields events; `stop` ends it after the current step.

    Of several ranks, each has a trainer, which decides what all decide.
    """

    def __init__(
        self,
        plan: RankPlan,
        out: Path,
        *,
        network: Network | None = None,
        command: list[str] | None = None,
        init_sha256: str = "",
        ranks: Ranks = ALONE,
    ):
        """out: where the best model goes, NAME.npz; what is needed to go on goes beside it (RunNames).

        network: start from its weights, of which init_sha256 is a digest; rank 0's are everyone's.
        """
        self.plan, self.config, self.ranks = plan, plan.config, ranks
        self.network = network or Network(plan.model, len(plan.vocabulary), seed=self.config.seed)
        self.team = Team(self.config.threads, ranks)
        self.learner = Learner(
            self.network, plan.global_batch_size, plan.streams.longest, self.config, self.team, ranks
        )
        self.learner.spread()
        self.progress = Progress()
        self._stopped = self._saved = False
        meta = self._meta(command or sys.argv, init_sha256)
        self.files = RunFiles(RunNames.of(out), self.learner, plan.vocabulary, meta)

    def _meta(self, command: list[str], init_sha256: str) -> dict[str, Any]:
        return {
            "training": asdict(self.config),
            "corpus": self.plan.corpus,
            "seed": self.config.seed,
            "command": shlex.join(command),
            "init_sha256": init_sha256,
        }

    @property
    def epoch(self) -> float:
        return self.progress.step / self.plan.streams.chunks

    def stop(self) -> None:
        """End after the current step, with everything saved."""
        self._stopped = True

    def resume(self) -> str:
        """Go on from NAME.last.npz; what the user should know of it, or nothing.

        Errors: CheckpointError; UsageError where texts differ.
        """
        if saved := self.files.load_last():
            refuse_other_texts(self.plan.corpus, saved.meta.get("corpus", {}), self.files.names.last)
            self.files.meta |= {k: saved.meta[k] for k in ("command", "init_sha256") if k in saved.meta}
        self.progress = self.files.restore(saved)
        self._saved = True
        return self.files.without_best(self.progress)

    def run(self) -> Iterator[events.Event]:
        """Train to the end of the budget.  Errors: DivergedError, CheckpointError."""
        try:
            with self._helped():
                yield self._start()
                if self._saved:
                    yield events.Resumed(self.progress.step, str(self.files.names.last))
                clock = Clock()
                compile_kernels(self.network.config, self.config)
                clock.compile_s = time.perf_counter() - clock.started
            yield events.Compiled(clock.compile_s)
            if not self._saved:
                self.files.remove_kept(0, 0)
                yield from self._save_last()
                self.files.remove_best()  # of an older run, which this one overwrites
            reason = yield from self._steps(clock)
            yield from self._finish(clock, reason)
        except DivergedError:
            yield self._end(clock, "diverged")
            raise
        finally:
            self.team.close()

    def _helped(self) -> AbstractContextManager[None]:
        """By helpers, where there are no other ranks: these compile at the same time."""
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
        )

    def _steps(self, clock: Clock) -> Generator[events.Event, None, str]:
        """Returns why it ended."""
        config = self.config
        eval_every = config.eval_every or self.plan.streams.chunks
        while not (reason := self._reason_to_end(clock)):
            if not self.progress.pending:
                learned = yield from self._train(clock)
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
                yield from self._evaluate(clock)
            if save and not self.progress.bad:
                yield from self._save_last()
        return reason

    def _reason_to_end(self, clock: Clock) -> str:
        """The strongest of all ranks': the clock and signals are each one's own."""
        mine = "interrupted" if self._stopped else reason_to_end(self.plan, self.progress, clock.elapsed_s)
        return REASONS[self.ranks.allreduce_max(REASONS.index(mine))]

    def _train(self, clock: Clock) -> Generator[events.Event, None, bool]:
        """One step of truncated BPTT; returns whether it was learned."""
        begun, progress, streams = time.perf_counter(), self.progress, self.plan.streams
        chunk = progress.step % streams.chunks
        if chunk == 0:
            self.learner.reset()
        self.learner.restart(self._restarting())
        inputs, targets = streams.chunk(chunk)
        lr = progress.lr_scale * schedule.rate(self.config, progress.step, self.plan.total_steps)
        loss, norm, learned = self.learner.step(inputs, targets, lr, progress.step, progress.updates)
        progress.step += 1
        progress.updates += learned
        chars = self.plan.global_batch_size * inputs.shape[1]
        progress.chars += chars
        seconds = time.perf_counter() - begun
        clock.train_s += seconds
        clock.chars += chars
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
            elapsed_s=clock.elapsed_s,
        )
        return True

    def _restarting(self) -> int:
        """The stream that starts anew, as rank 0 says."""
        restarts = self.plan.restarts
        return self.ranks.allreduce_max(restarts.at(self.progress.step) if restarts else -1)

    def _rewind(self, loss: float) -> Iterator[events.Event]:
        """After a few such steps in a row: back to the last saved state, with half the learning rate."""
        progress = self.progress
        if progress.rewinds == REWINDS:
            raise self._diverged(loss)
        self.progress = self.files.restore(self.files.load_last())
        self.progress.best, self.progress.stale = progress.best, progress.stale
        self.progress.lr_scale, self.progress.rewinds = progress.lr_scale / 2, progress.rewinds + 1
        self.progress.bad = 0
        yield events.Rewound(self.progress.step, self.progress.lr_scale)
        yield from self._save_last()

    def _diverged(self, loss: float) -> DivergedError:
        if self.files.meta["init_sha256"] and not self.progress.updates:
            return DivergedError(
                "no step was learned: the model that this run began from overflows on this text",
                f"train that model again, with a lower {field('lr')} or {field('clip_norm')}",
            )
        return DivergedError(
            f"training diverged: at step {self.progress.step} the loss is {loss:.4g}, after {REWINDS} returns"
            " to the last good state with half the learning rate",
            f"start again with a lower {field('lr')} (it was {self.config.lr:g}) or {field('clip_norm')}",
        )

    def _evaluate(self, clock: Clock) -> Iterator[events.Event]:
        """Validation; the best model so far is saved.  Without a validation text, the last is."""
        progress, figures = self.progress, {}
        progress.pending = True
        if self.plan.corpus["val"]:
            yield events.Evaluating("val")
            metrics = self._metrics(self.network, self.plan.split.val)
            if metrics is None:
                return
            figures = _figures(metrics.loss)
            yield events.Evaluated(progress.step, self.epoch, "val", **figures, elapsed_s=clock.elapsed_s)
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

    def _test(self, clock: Clock) -> Iterator[events.Event]:
        yield events.Evaluating("test")
        if metrics := self._metrics(self.files.best(), self.plan.split.test):
            figures = _figures(metrics.loss)
            yield events.Evaluated(
                self.progress.step, self.epoch, "test", **figures, elapsed_s=clock.elapsed_s
            )

    def _metrics(self, network: Network, ids: Ids) -> Metrics | None:
        """None if the run is to be stopped."""
        return evaluate(network, ids, self.team, lambda: self._stopped, self.ranks)

    def _save_last(self) -> Iterator[events.Event]:
        yield from self.files.save_last(self.progress)
        self._saved = True

    def sample(self, best: bool = False) -> events.Sampled:
        """A text that the model draws now, or the best one saved."""
        model, step = Checkpoint(self.network, self.plan.vocabulary, {}), self.progress.step
        if best:
            model, step = load(self.files.names.best), self.progress.best["step"]
        return events.Sampled(step, sampled(model, self.config.seed))

    def _finish(self, clock: Clock, reason: str) -> Iterator[events.Event]:
        """The last save; then, unless someone waits, the last evaluation; the test, by the best model.

        An evaluation that is not on schedule comes after the save, so that a resumed run knows nothing of it.
        """
        evaluated = self.progress.evaluated
        if self.files.finite():
            yield from self._save_last()
        if reason != "interrupted" and not evaluated:
            yield from self._evaluate(clock)
        elif not self.progress.best or not self.plan.corpus["val"]:
            yield self.files.save_best(self.progress)
        if self.plan.corpus["test"] and reason != "interrupted":
            yield from self._test(clock)
        yield self._end(clock, reason)

    def _end(self, clock: Clock, reason: str) -> events.Event:
        return events.End(
            reason=reason,
            best=self.progress.best,
            compile_s=clock.compile_s,
            train_s=clock.train_s,
            chars_per_s=clock.chars_per_s,
        )


def _figures(loss: float) -> dict[str, float]:
    return {"loss": loss, "bpc": bits(loss), "perplexity": perplexity(loss)}
