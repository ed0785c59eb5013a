"""The commands that made a model, oldest first: of those it was fine-tuned from, too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby

from ..checkpoint.checkpoint import Checkpoint

MOST = 1 << 16  # bytes of all in JSON: a checkpoint's meta must stay short enough to be read


def commands_of(checkpoint: Checkpoint) -> list[str]:
    """Checkpoints of version 0.1.0 name the first alone."""
    meta = checkpoint.meta
    return [*meta.get("commands", [meta["command"]] if "command" in meta else [])]


def newest(commands: Sequence[str]) -> list[str]:
    """Each once in a row; if there is no room for all, the newest."""
    kept = [command for command, _ in groupby(commands)]
    while kept and len(json.dumps(kept)) > MOST:
        del kept[0]
    return kept
