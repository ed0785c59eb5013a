"""The names of the files of a run, for all code that writes, reads or removes them."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError, field
from ..system.atomic import leavings

CHECKPOINT, LOG = ".npz", ".jsonl"  # known endings; any other dot is part of the name
LAST = ".last"
NINE_DIGITS = "[0-9]" * 9  # the step of a kept model
KEPT = re.compile(rf"\.step{NINE_DIGITS}$")
OF_TEXTS = re.compile(r"(\.[A-Za-z]\w*)?(\.(gz|bz2|xz))?$", re.IGNORECASE)  # but not the .01 of lr0.01


@dataclass(frozen=True)
class RunNames:
    """NAME.npz, NAME.last.npz, NAME.jsonl and, for each model kept during the run, NAME.stepNNNNNNNNN.npz."""

    folder: Path
    name: str

    @classmethod
    def of(cls, out: Path) -> RunNames:
        """Return the names for NAME, NAME.npz, NAME.last.npz or NAME.jsonl.

        Errors: UsageError without a name, or for that of a kept model, which is not a run.
        """
        name = without_ending(out).name.removesuffix(LAST)
        if not name or out.name in (CHECKPOINT, LOG):
            raise UsageError(f"{field('out')} is {out}", f"put a name before {CHECKPOINT}")
        if KEPT.search(name):
            run = out.with_name(KEPT.sub("", name) + CHECKPOINT)
            raise UsageError(
                f"{out} is the name of a model that the run {run} keeps while training",
                f"use the name of the run: {field('out', str(run))}",
            )
        return cls(out.parent, name)

    @property
    def best(self) -> Path:
        """The best model, to sample from."""
        return self._with(CHECKPOINT)

    @property
    def last(self) -> Path:
        """The state to resume from."""
        return self._with(LAST + CHECKPOINT)

    @property
    def log(self) -> Path:
        return self._with(LOG)

    @property
    def run(self) -> Path:
        """The name to lock, one for all files of a run."""
        return self._with("")

    def kept(self, step: int) -> Path:
        return self._with(f".step{step:09}{CHECKPOINT}")

    def all_kept(self) -> list[tuple[int, Path]]:
        """Return step and file of each kept model, in order."""
        pattern = f"{glob.escape(self.name)}.step{NINE_DIGITS}{CHECKPOINT}"
        digits = slice(-9 - len(CHECKPOINT), -len(CHECKPOINT))
        return [(int(path.name[digits]), path) for path in sorted(self.folder.glob(pattern))]

    def leavings(self) -> Iterator[Path]:
        """Yield temporary files that a killed run left."""
        for ending in ("", LAST, f".step{NINE_DIGITS}"):
            yield from leavings(self.folder, glob.escape(self.name) + ending + CHECKPOINT)

    def _with(self, ending: str) -> Path:
        return self.folder / (self.name + ending)


def without_ending(path: Path) -> Path:
    """Return a path without .npz or .jsonl, but with any other ending: lr0.01 is a whole name."""
    for ending in (CHECKPOINT, LOG):
        if path.name.endswith(ending) and path.name != ending:
            return path.with_name(path.name.removesuffix(ending))
    return path


def default(corpus: str, kind: str) -> Path:
    """Return checkpoints/CORPUS-KIND.npz in the current folder."""
    stem = OF_TEXTS.sub("", Path(corpus).name, count=1) or "corpus"
    return Path("checkpoints") / f"{stem}-{kind}{CHECKPOINT}"
