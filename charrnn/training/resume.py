"""Going on with a run from what it saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checkpoint.checkpoint import VERSIONS, Checkpoint
from ..checkpoint.names import RunNames
from ..checkpoint.reading import load
from ..errors import CheckpointError, UsageError, field

# of options that the oldest checkpoints do not name: what they then did
OLDEST = {"encoding_errors": "strict", "join": "nothing", "shuffle_lines": False}


def saved_run(out: Path) -> Checkpoint:
    """What the run of `out` needs to go on.  Errors: CheckpointError."""
    last = RunNames.of(out).last
    if not last.exists():
        raise CheckpointError(
            f"there is nothing to resume: no file {last}",
            f"name the run with {field('out')}, or leave {field('resume')} out",
        )
    return load(last)


def other_versions(saved: Checkpoint) -> str:
    """What else than these versions made it, in a sentence; nothing if none."""
    then = {name: saved.meta[name] for name in VERSIONS if name in saved.meta}
    other = [f"{name} {then[name]}" for name in then if then[name] != VERSIONS[name]]
    made = ", ".join(other).replace("version", "charrnn")
    return f"made by {made}: with other versions the bits may differ from here on" if other else ""


def refuse_another_start(saved: Checkpoint, init_from: Path, init_sha256: str, out: Path) -> None:
    """The options of a fine-tuned run may be given again, but not with another checkpoint.

    Errors: UsageError.
    """
    began = saved.meta.get("init_sha256")  # files of version 0.1.0 may lack it
    if began is not None and init_sha256 != began:
        raise UsageError(
            f"{field('init_from')} {init_from} is not what the run of {out} began from",
            f"leave it out, or start a new run with another {field('out')}",
        )


def refuse_other_texts(ours: Mapping[str, Any], theirs: Mapping[str, Any], last: Path) -> None:
    """Errors: UsageError unless a plan's texts are those that the file `last` tells of."""
    for key in ("sha256", "vocab", "train", "val", "test", "val_sha256"):
        if ours[key] != theirs.get(key):
            raise UsageError(
                f"the text is not the one of {last}: its {key} is {ours[key]}, was {theirs.get(key)}",
                f"resume with the same corpus and {field('val')}, or fine-tune on others with "
                f"{field('init_from')}",
            )
