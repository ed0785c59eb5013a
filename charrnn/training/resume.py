"""Going on with a run from what it saved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..checkpoint.checkpoint import VERSIONS, Checkpoint
from ..checkpoint.names import RunNames
from ..checkpoint.reading import load
from ..config import MOST_EPOCHS, TrainConfig
from ..errors import CheckpointError, UsageError, field
from .changeable_options import RESUMED, saved_or_given
from .origin import commands_of, newest
from .plan import chunks, steps_in

AT_FIRST = ", at the start"
FALLING = ("cosine", "step")  # schedules that have come down in the end
# of options that the oldest checkpoints do not name: what they then did
OLDEST = {"encoding_errors": "strict", "join": "nothing", "shuffle_lines": False, "documents": ""}


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


def options(saved: Checkpoint, config: TrainConfig, given: Collection[str]) -> TrainConfig:
    """The saved options, but those given that may change; of a run that has ended the learning rate, too.

    Errors: UsageError.
    """
    before, free = _config(saved), RESUMED | {"lr"} if _has_ended(saved) else RESUMED
    table: dict[str, Any] = OLDEST | saved.meta.get("training", {})
    if before.schedule_over == "time" and {"epochs", "max_steps"} & {*given}:
        table |= {"schedule_over": "steps", "max_time": 0.0}  # what is given now is the budget
    config = saved_or_given("training", config, table, given, free)
    steps_an_epoch = _chunks(saved)
    if config.schedule_over == "time":
        epochs = before.epochs * max(1.0, config.max_time / before.max_time)
        return replace(config, epochs=min(epochs, MOST_EPOCHS))
    limited = steps_in(before, steps_an_epoch) == before.max_steps or before.schedule_over == "time"
    if limited and "max_steps" in given and "epochs" not in given:  # as many epochs as they take
        config = replace(config, epochs=min(max(1, config.max_steps) / steps_an_epoch, MOST_EPOCHS))
    return config


def fitted_then(saved: Checkpoint, given: Collection[str]) -> str:
    """The sentence on options that were fitted, which some that are given now may no longer hold for."""
    said = str(saved.meta.get("fitted", "")).removesuffix(AT_FIRST)
    return f"{said}{AT_FIRST}" if said and {"epochs", "max_steps", "max_time", "lr"} & {*given} else said


def carry_on(meta: dict[str, Any], saved: Checkpoint, config: TrainConfig, total_steps: int) -> str:
    """Have the files of a run that goes on say what is true of it, in `meta`; what the user should know.

    Where nothing is left to train, options and commands are those that made it.
    """
    now, commands = meta["command"], commands_of(saved)
    meta |= {name: saved.meta[name] for name in ("command", "init_sha256") if name in saved.meta}
    if _anything_left(saved, config, total_steps):
        meta["commands"] = newest([*commands, now])
        return _begin_again(saved, config)
    meta |= {name: saved.meta[name] for name in ("training", "fitted") if name in saved.meta}
    meta["commands"] = commands
    return ""


def _anything_left(saved: Checkpoint, config: TrainConfig, total_steps: int) -> bool:
    """Whether a budget has something left for a run."""
    progress = saved.meta["progress"]
    if config.schedule_over == "time" and progress.get("seconds", 0.0) >= config.max_time:
        return False
    return bool(progress["step"] < total_steps)


def _begin_again(saved: Checkpoint, config: TrainConfig) -> str:
    """Give a run that had ended, and is to go on, a schedule of its own for what comes; say so, or nothing.

    The schedule that it began with, stretched to the new end, would jump to a rate far above the last one
    and have less time to come down: docs/training.md has the figures.
    """
    progress, then = saved.meta["progress"], saved.meta.get("training", {}).get("lr")
    if not _has_ended(saved):
        return ""
    if config.lr_schedule not in FALLING:
        progress |= {"lr_scale": 1.0} if config.lr != then else {}
        return ""
    progress |= {
        "schedule_step": progress["step"],
        "schedule_s": progress.get("seconds", 0.0),
        "lr_scale": 1.0,
    }
    return f"the run had ended: the learning rate begins anew at {config.lr:g}, and falls until the new end"


def _has_ended(saved: Checkpoint) -> bool:
    """Whether its budget is used up, so that its learning rate has come down."""
    if not saved.meta.keys() >= {"training", "corpus", "progress"}:
        return False
    config = _config(saved)
    return not _anything_left(saved, config, steps_in(config, _chunks(saved)))


def _config(saved: Checkpoint) -> TrainConfig:
    known = {each.name for each in fields(TrainConfig)}
    options = saved.meta.get("training", {})
    return TrainConfig(**{name: value for name, value in options.items() if name in known})


def _chunks(saved: Checkpoint) -> int:
    return chunks(_config(saved), saved.meta.get("corpus", {}).get("train", 0))
