"""The origin of a model, as recorded in its files."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ..checkpoint.checkpoint import Checkpoint

MOST = 1 << 16  # bytes of all commands as JSON, so that the meta stays short enough to be read


@dataclass(frozen=True)
class Origin:
    """The origin of a new run."""

    command: str = field(default_factory=lambda: shlex.join(sys.argv))
    earlier_commands: Sequence[str] = ()  # those that made the model it is fine-tuned from, oldest first
    init_sha256: str = ""  # digest of that model
    fitted: str = ""  # a sentence on the options fitted to the text

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
    """Return the commands that made a model, oldest first; version 0.1.0 recorded only the first."""
    meta = checkpoint.meta
    return [*meta.get("commands", [meta["command"]] if "command" in meta else [])]


def newest(commands: Sequence[str]) -> list[str]:
    """Return the commands without repetitions in a row; the newest if there is no room for all."""
    kept = [command for command, _ in groupby(commands)]
    while kept and len(json.dumps(kept)) > MOST:
        del kept[0]
    return kept
