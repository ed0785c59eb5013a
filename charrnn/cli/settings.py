"""Training options in a TOML file: read by `train --config`, printed by `info --toml`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config import ModelConfig, TrainConfig, of_type
from ..errors import UsageError
from .output import visible

DEFAULTS = asdict(ModelConfig()) | asdict(TrainConfig())
FILES = ("val", "init_from", "out", "log")
MACHINE = ("threads",)  # depends on the machine, not on the run


def read(path: Path) -> dict[str, Any]:
    """Return the fields that a file sets, by name; - and _ are the same.

    Errors: UsageError that names the file, for invalid TOML, unknown options and values of a wrong type.
    """
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"--config {path} cannot be read: {reason}", "name a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"--config {path} is not valid TOML: {error}", "write lines like: batch_size = 16"
        ) from None
    values = {name.replace("-", "_"): value for name, value in table.items()}
    for name, value in values.items():
        values[name] = _checked(path, name, value)
    return values


def _checked(path: Path, name: str, value: Any) -> Any:
    if name in FILES:
        if isinstance(value, str):
            return Path(value)
        raise UsageError(f"--config {path}: {name} is {value!r}", "write a file name in quotes")
    if name not in DEFAULTS or name == "schedule_over":
        raise UsageError(f"--config {path}: there is no option {name}", "see charrnn train --help")
    try:
        return of_type(name, value)
    except UsageError as error:
        raise UsageError(f"--config {path}: {error}") from None


def toml(meta: dict[str, Any]) -> str:
    """Return a TOML file that trains a checkpoint's model again, with comments on what else it needs."""
    training = dict(meta.get("training", {}))
    if training.pop("schedule_over", "") == "time":
        training.pop("epochs", None)  # with epochs, max_time would be only a limit
    commands = meta.get("commands") or [meta.get("command", "")]
    corpus = meta.get("corpus", {})
    lines = [f"# {visible(str(command))}" for command in commands if command]
    if corpus.get("chars"):
        lines.append(f"# text: {corpus['chars']:,} characters, SHA-256 {visible(corpus.get('sha256', ''))}")
    if meta.get("init_sha256"):
        lines.append("# fine-tuned from another model: add init_from")
    values = {name: value for name, value in (meta["model"] | training).items() if name in DEFAULTS}
    lines += [f"{name} = {_value(value)}" for name, value in values.items() if name not in MACHINE]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
