"""The files of a training run: the best model, the state to resume from, and the models kept."""

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
    """The best model, the state to resume from and the last `keep_last` models: see RunNames.

    With several ranks, all call every method, but only rank 0 touches files.
    """

    def __init__(self, names: RunNames, learner: Learner, vocabulary: Vocabulary, meta: dict[str, Any]):
        """meta: what each file records about the run."""
        self.names = names
        self._learner, self._vocabulary, self.meta = learner, vocabulary, meta
        self._keep, self._ranks = learner.config.keep_last, learner.ranks
        self._lacking: set[str] = set()  # what the file system cannot do, as reported so far

    def finite(self) -> bool:
        """Return whether parameters and optimizer state are finite on every rank."""
        learner = self._learner
        odd = not (np.isfinite(learner.network.flat).all() and np.isfinite(learner.slots).all())
        return not self._ranks.allreduce_max(odd)

    def save_best(self, progress: Progress, path: Path | None = None, kind: str = "best") -> Saved:
        """Save a model to sample from.  Errors: CheckpointError, as for every save."""
        return self._save(path or self.names.best, kind, progress, {"history": progress.history}, {})

    def save_last(self, progress: Progress) -> Iterator[Saved]:
        """Save the state to resume from and, if requested, the model as one of the last few."""
        self._learner.gather()
        extra = {f"optim.{i}": slot for i, slot in enumerate(self._learner.slots)}
        extra["state.carried"] = self._learner.state
        yield self._save(self.names.last, "last", progress, {"progress": asdict(progress)}, extra)
        if self._keep and progress.step:
            yield self.save_best(progress, self.names.kept(progress.step), kind="kept")
            self.remove_kept(self._keep, progress.step)

    def remove_kept(self, keep: int, step: int) -> None:
        """Remove kept models, except the last `keep` that are not beyond the present step."""
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
        """Handle a missing NAME.npz: write it again if the present state is the best model, or start over.

        Returns a sentence about it, or an empty string if the file exists.  Errors: CheckpointError.
        """
        best, names = progress.best, self.names
        there = self._ranks.allreduce_max(not self._ranks.rank and names.best.exists())
        if there or not best:
            return ""
        if best["step"] == progress.step and not (progress.stale or progress.rewinds):
            self.save_best(progress)
            return (
                f"there was no file {names.best}; it was written again, because {names.last} has the same "
                "model"
            )
        progress.best, progress.stale = {}, 0
        nats = f", {best['loss']:.3f} nats" if "loss" in best else ""
        return (
            f"there is no file {names.best}: the best model so far (step {best['step']:,}{nats}) is lost, "
            "and the best model from here on is saved instead"
        )

    def best(self) -> Network:
        """Load the best model.  Errors: CheckpointError."""
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
        """Load NAME.last.npz on rank 0; return None on others.  Errors: CheckpointError."""
        return None if self._ranks.rank else load(self.names.last)

    def restore(self, saved: Checkpoint | None) -> Progress:
        """Set all learners to a state from `load_last`.  Errors: CheckpointError if it is not one."""
        learner = self._learner
        restored = self._ranks.broadcast(self._checked(saved) if saved else None)
        assert restored
        progress, learner.state = restored
        learner.spread()
        return progress

    def _checked(self, saved: Checkpoint) -> tuple[Progress, Array]:
        """Set weights and slots; return the progress and what the streams carry."""
        learner = self._learner
        try:
            slots = [saved.extra[f"optim.{i}"] for i in range(len(learner.slots))]
            state, progress = saved.extra["state.carried"], Progress(**saved.meta["progress"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.names.last} lacks what training needs to resume: {error}",
                "choose the NAME.last.npz of a run",
            ) from None
        if state.shape != learner.state_shape:
            raise CheckpointError(
                f"{self.names.last} has a carried state of shape {state.shape}, not {learner.state_shape}",
                "choose the checkpoint of this run",
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
