"""How a model came about, as its files tell it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ..checkpoint.checkpoint import Checkpoint

MOST = 1 << 16  # bytes of all commands in JSON: a checkpoint's meta must stay short enough to be read


@dataclass(frozen=True)
class Origin:
    """Of a new run."""

    command: str = field(default_factory=lambda: shlex.join(sys.argv))
    earlier_commands: Sequence[str] = ()  # oldest first, that made the model it is fine-tuned from
    init_sha256: str = ""  # digest of that model
    fitted: str = ""  # the options that follow from the text, in a sentence

    @property
    def meta(self) -> dict[str, Any]:
        commands = newest([*self.earlier_commands, self.command])
        return {
            "command": self.command,
            "commands": commands,
            "init_sha256": self.init_sha256,
            "fitted": self.fitted,
        }


def commands_of(checkpoint: Checkpoint) -> list[str]:
    """Those that made it, oldest first; checkpoints of version 0.1.0 name the first alone."""
    meta = checkpoint.meta
    return [*meta.get("commands", [meta["command"]] if "command" in meta else [])]


def newest(commands: Sequence[str]) -> list[str]:
    """Each once in a row; if there is no room for all, the newest."""
    kept = [command for command, _ in groupby(commands)]
    while kept and len(json.dumps(kept)) > MOST:
        del kept[0]
    return kept
