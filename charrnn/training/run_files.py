"""The files of a training run: the best model, the state to go on from, and the models kept on the way."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..array_types import Array
from ..checkpoint.checkpoint import Checkpoint, last_path
from ..checkpoint.reading import load
from ..checkpoint.run_progress import Progress
from ..checkpoint.writing import save
from ..errors import CheckpointError
from ..model.network import Network
from ..text.vocabulary import Vocabulary
from .events import Saved
from .learner import Learner


class RunFiles:
    """NAME.npz, NAME.last.npz and, of `keep_last` models, NAME.stepNNNNNNNNN.npz.

    Of several ranks, each calls all methods, and rank 0 alone touches files.
    """

    def __init__(self, path: Path, learner: Learner, vocabulary: Vocabulary, meta: dict[str, Any]):
        """meta: what each file says of the run."""
        self.path, self.last_path = path, last_path(path)
        self._learner, self._vocabulary, self.meta = learner, vocabulary, meta
        self._keep, self._ranks = learner.config.keep_last, learner.ranks

    def finite(self) -> bool:
        """Whether the parameters and what the optimiser knows are numbers, on every rank."""
        learner = self._learner
        odd = not (np.isfinite(learner.network.flat).all() and np.isfinite(learner.slots).all())
        return not self._ranks.allreduce_max(odd)

    def save_best(self, progress: Progress, path: Path | None = None, kind: str = "best") -> Saved:
        """A model to draw from.  Errors: CheckpointError, as for every save."""
        return self._save(path or self.path, kind, progress, {"history": progress.history}, {})

    def save_last(self, progress: Progress) -> Iterator[Saved]:
        """What is needed to go on, and, where asked for, one of the last few models."""
        self._learner.gather()
        extra = {f"optim.{i}": slot for i, slot in enumerate(self._learner.slots)}
        extra["state.carried"] = self._learner.state
        yield self._save(self.last_path, "last", progress, {"progress": asdict(progress)}, extra)
        if self._keep and progress.step:
            name = self.path.name.removesuffix(".npz")
            yield self.save_best(
                progress, self.path.with_name(f"{name}.step{progress.step:09}.npz"), kind="kept"
            )
            self.remove_kept(self._keep, progress.step)

    def remove_kept(self, keep: int, step: int) -> None:
        """Of the models kept on the way, leave the last few; none from beyond the present step."""
        if self._ranks.rank:
            return
        name = glob.escape(self.path.name.removesuffix(".npz"))
        kept = sorted(self.path.parent.glob(f"{name}.step?????????.npz"))
        now = [path for path in kept if int(path.name[-13:-4]) <= step]
        for path in {*kept} - {*now[len(now) - keep :]}:
            path.unlink(missing_ok=True)

    def remove_best(self) -> None:
        if not self._ranks.rank:
            self.path.unlink(missing_ok=True)

    def best(self) -> Network:
        """The best model.  Errors: CheckpointError."""
        now = self._learner.network
        flat = np.empty_like(now.flat) if self._ranks.rank else load(self.path).network.flat
        self._ranks.broadcast_array(flat)
        return Network(now.config, now.vocab_size, flat)

    def load_last(self) -> Checkpoint | None:
        """NAME.last.npz, for rank 0.  Errors: CheckpointError."""
        return None if self._ranks.rank else load(self.last_path)

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
                f"{self.last_path} does not hold what training needs to go on: {error}",
                "name the checkpoint of a run, NAME.last.npz",
            ) from None
        if state.shape != learner.state_shape:
            raise CheckpointError(
                f"{self.last_path} carries the state of {state.shape}, not {learner.state_shape}",
                "name the checkpoint of this run",
            )
        learner.network.flat[...] = saved.network.flat
        learner.slots[...] = np.reshape(slots, learner.slots.shape)
        return progress, state

    def _save(
        self, path: Path, kind: str, progress: Progress, more: dict[str, Any], extra: dict[str, Array]
    ) -> Saved:
        meta = self.meta | {"metrics": progress.best} | more
        if not self._ranks.rank:
            save(path, Checkpoint(self._learner.network, self._vocabulary, meta, extra))
        return Saved(progress.step, str(path), kind)
