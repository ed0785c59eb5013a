"""Resume a run from the state that it saved."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..checkpoint.checkpoint import VERSIONS, Checkpoint
from ..checkpoint.names import RunNames
from ..checkpoint.reading import load
from ..config import MOST_EPOCHS, ModelConfig, TrainConfig
from ..errors import CheckpointError, UsageError, field
from .changeable_options import RESUMED, saved_or_given
from .fitting import in_words
from .origin import commands_of, newest
from .plan import chunks, steps_in

AT_START = ", at the start of the run"
BEFORE = re.compile(r", at the start\b")  # ends what the first process of the run wrote
FALLING = ("cosine", "step")  # schedules that end with a low rate
# options that the oldest checkpoints lack, with the behavior of their time
OLDEST = {"encoding_errors": "strict", "join": "nothing", "shuffle_lines": False, "documents": ""}


def saved_run(out: Path) -> Checkpoint:
    """Load the state from which the run of `out` can continue.  Errors: CheckpointError."""
    last = RunNames.of(out).last
    if not last.exists():
        raise CheckpointError(
            f"there is nothing to resume: no file {last}",
            f"set {field('out')} to that of the run, or leave out {field('resume')}",
        )
    return load(last)


def other_versions(saved: Checkpoint) -> str:
    """Return a sentence on other versions that made a checkpoint, or an empty string."""
    then = {name: saved.meta[name] for name in VERSIONS if name in saved.meta}
    other = [f"{name} {then[name]}" for name in then if then[name] != VERSIONS[name]]
    made = ", ".join(other).replace("version", "charrnn")
    return f"saved by {made}: with other versions, the bits may differ from here on" if other else ""


def refuse_another_start(saved: Checkpoint, init_from: Path, init_sha256: str, out: Path) -> None:
    """Check that init_from, if it is given again on resuming, is the same checkpoint.

    Errors: UsageError.
    """
    began = saved.meta.get("init_sha256")  # files of version 0.1.0 may lack it
    if began is not None and init_sha256 != began:
        raise UsageError(
            f"{field('init_from')} {init_from} is not the checkpoint that the run of {out} started from",
            f"leave it out, or start a new run with another {field('out')}",
        )


def refuse_other_texts(ours: Mapping[str, Any], theirs: Mapping[str, Any], last: Path) -> None:
    """Check that a plan's texts are those recorded in the file `last`.  Errors: UsageError."""
    for key in ("sha256", "vocab", "train", "val", "test", "val_sha256"):
        if ours[key] != theirs.get(key):
            raise UsageError(
                f"the text is not the one that {last} was trained on: {key} is {ours[key]}, but was "
                f"{theirs.get(key)}",
                f"resume with the same corpus and {field('val')}, or fine-tune on another text with "
                f"{field('init_from')}",
            )


def options(saved: Checkpoint, config: TrainConfig, given: Collection[str]) -> TrainConfig:
    """Return the saved options, updated with given ones that may change.

    If the run has ended, the learning rate may change too.  Errors: UsageError.
    """
    before, free = _config(saved), RESUMED | {"lr"} if _has_ended(saved) else RESUMED
    table: dict[str, Any] = OLDEST | saved.meta.get("training", {})
    if before.schedule_over == "time" and {"epochs", "max_steps"} & {*given}:
        table |= {"schedule_over": "steps", "max_time": 0.0}  # the new budget replaces the time
    config = saved_or_given("training", config, table, given, free)
    steps_an_epoch = _chunks(saved)
    if config.schedule_over == "time":
        epochs = before.epochs * max(1.0, config.max_time / before.max_time)
        return replace(config, epochs=min(epochs, MOST_EPOCHS))
    limited = steps_in(before, steps_an_epoch) == before.max_steps or before.schedule_over == "time"
    if limited and "max_steps" in given and "epochs" not in given:  # as many epochs as these steps make
        config = replace(config, epochs=min(max(1, config.max_steps) / steps_an_epoch, MOST_EPOCHS))
    return config


def fitted_then(saved: Checkpoint, model: ModelConfig, config: TrainConfig) -> str:
    """Return the sentence on the options fitted when the run started, and those that differ now."""
    said = BEFORE.split(str(saved.meta.get("fitted", "")), maxsplit=1)[0]
    chosen, now = said.partition(":")[0].split(", "), in_words(model, config)
    rate, epochs = now["lr"], now["epochs"]
    differ = [rate] if rate not in chosen and any(each.startswith("rate ") for each in chosen) else []
    if epochs not in chosen and any(each.endswith(" epochs") for each in chosen):
        differ.append(epochs + (f" and {config.max_time:g} s" if config.schedule_over == "time" else ""))
    return f"{said}{AT_START}{'; now ' if differ else ''}{', '.join(differ)}" if said else ""


def carry_on(meta: dict[str, Any], saved: Checkpoint, config: TrainConfig, total_steps: int) -> str:
    """Update `meta`, what files record about the run, for a resumed run; return a note or an empty string.

    If nothing is left to train, it keeps the options and commands that made the run.
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
    """Return whether the budget of a saved run is not used up."""
    progress = saved.meta["progress"]
    if config.schedule_over == "time" and progress.get("seconds", 0.0) >= config.max_time:
        return False
    return bool(progress["step"] < total_steps)


def _begin_again(saved: Checkpoint, config: TrainConfig) -> str:
    """Start a new schedule for a run that had ended; return a note, or an empty string.

    The first schedule, stretched to the new end, would jump to a rate far above the last one and have less
    time to fall: docs/training.md has the measurements.
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
    return f"the run had ended: the learning rate restarts at {config.lr:.3g} and falls until the new end"


def _has_ended(saved: Checkpoint) -> bool:
    """Return whether the budget of a run is used up, so that its learning rate has fallen."""
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
