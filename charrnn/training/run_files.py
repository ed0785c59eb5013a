"""The files of a training run: the best model, the state to go on from, and the models kept on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..array_types import Array
from ..checkpoint.checkpoint import Checkpoint
from ..checkpoint.names import RunNames
from ..checkpoint.reading import load
from ..checkpoint.run_progress import Progress
from ..checkpoint.writing import save
from ..errors import CheckpointError
from ..model.network import Network
from ..text.vocabulary import Vocabulary
from .events import Saved
from .learner import Learner


class RunFiles:
    """The best model, what is needed to go on and, of `keep_last` models, each: see RunNames.

    Of several ranks, each calls all methods, and rank 0 alone touches files.
    """

    def __init__(self, names: RunNames, learner: Learner, vocabulary: Vocabulary, meta: dict[str, Any]):
        """meta: what each file says of the run."""
        self.names = names
        self._learner, self._vocabulary, self.meta = learner, vocabulary, meta
        self._keep, self._ranks = learner.config.keep_last, learner.ranks
        self._lacking: set[str] = set()  # what the file system cannot do, as was said

    def finite(self) -> bool:
        """Whether the parameters and what the optimiser knows are numbers, on every rank."""
        learner = self._learner
        odd = not (np.isfinite(learner.network.flat).all() and np.isfinite(learner.slots).all())
        return not self._ranks.allreduce_max(odd)

    def save_best(self, progress: Progress, path: Path | None = None, kind: str = "best") -> Saved:
        """A model to draw from.  Errors: CheckpointError, as for every save."""
        return self._save(path or self.names.best, kind, progress, {"history": progress.history}, {})

    def save_last(self, progress: Progress) -> Iterator[Saved]:
        """What is needed to go on, and, where asked for, one of the last few models."""
        self._learner.gather()
        extra = {f"optim.{i}": slot for i, slot in enumerate(self._learner.slots)}
        extra["state.carried"] = self._learner.state
        yield self._save(self.names.last, "last", progress, {"progress": asdict(progress)}, extra)
        if self._keep and progress.step:
            yield self.save_best(progress, self.names.kept(progress.step), kind="kept")
            self.remove_kept(self._keep, progress.step)

    def remove_kept(self, keep: int, step: int) -> None:
        """Of the models kept on the way, leave the last few; none from beyond the present step."""
        if self._ranks.rank:
            return
        kept = self.names.all_kept()
        now = [path for saved_at, path in kept if saved_at <= step]
        for _, path in kept:
            if path not in now[len(now) - keep :]:
                path.unlink(missing_ok=True)

    def remove_best(self) -> None:
        if not self._ranks.rank:
            self.names.best.unlink(missing_ok=True)

    def without_best(self, progress: Progress) -> str:
        """One may have NAME.last.npz alone: then the best model is that state itself, or is sought anew.

        Returns a sentence that says so, or nothing.  Errors: CheckpointError.
        """
        best, names = progress.best, self.names
        there = self._ranks.allreduce_max(not self._ranks.rank and names.best.exists())
        if there or not best:
            return ""
        if best["step"] == progress.step and not (progress.stale or progress.rewinds):
            self.save_best(progress)
            return f"there was no file {names.best}: it is written again, as {names.last} has the same model"
        progress.best, progress.stale = {}, 0
        nats = f", {best['loss']:.3f} nats" if "loss" in best else ""
        return (
            f"there is no file {names.best}: the best model so far (step {best['step']:,}{nats}) is lost, "
            "and the best from here on is kept"
        )

    def best(self) -> Network:
        """The best model.  Errors: CheckpointError."""
        now = self._learner.network
        flat = np.empty_like(now.flat) if self._ranks.rank else load(self.names.best).network.flat
        self._ranks.broadcast_array(flat)
        return Network(now.config, now.vocab_size, flat)

    def add_test(self, figures: dict[str, float]) -> None:
        """Write the best model's test score into its file.  Errors: CheckpointError."""
        if not self._ranks.rank:
            best = load(self.names.best)
            save(self.names.best, replace(best, meta=best.meta | {"test": figures}))

    def load_last(self) -> Checkpoint | None:
        """NAME.last.npz, for rank 0.  Errors: CheckpointError."""
        return None if self._ranks.rank else load(self.names.last)

    def restore(self, saved: Checkpoint | None) -> Progress:
        """Bring all learners to the state that `load_last` gave.  Errors: CheckpointError if it is none."""
        learner = self._learner
        restored = self._ranks.broadcast(self._checked(saved) if saved else None)
        assert restored
        progress, learner.state = restored
        learner.spread()
        return progress

    def _checked(self, saved: Checkpoint) -> tuple[Progress, Array]:
        """Where the run stands and what its streams carry; weights and slots are set."""
        learner = self._learner
        try:
            slots = [saved.extra[f"optim.{i}"] for i in range(len(learner.slots))]
            state, progress = saved.extra["state.carried"], Progress(**saved.meta["progress"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.names.last} does not hold what training needs to go on: {error}",
                "name the checkpoint of a run, NAME.last.npz",
            ) from None
        if state.shape != learner.state_shape:
            raise CheckpointError(
                f"{self.names.last} carries the state of {state.shape}, not {learner.state_shape}",
                "name the checkpoint of this run",
            )
        learner.network.flat[...] = saved.network.flat
        learner.slots[...] = np.reshape(slots, learner.slots.shape)
        return progress, state

    def _save(
        self, path: Path, kind: str, progress: Progress, more: dict[str, Any], extra: dict[str, Array]
    ) -> Saved:
        meta = self.meta | {"metrics": progress.best} | more
        lacking: set[str] = set()
        if not self._ranks.rank:
            save(path, Checkpoint(self._learner.network, self._vocabulary, meta, extra), lacking)
        new = sorted(lacking - self._lacking)
        self._lacking |= lacking
        return Saved(progress.step, str(path), kind, new)
