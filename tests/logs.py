"""Logs written by hand, in the fields that training writes."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from charrnn.config import ModelConfig, TrainConfig
from charrnn.training.events import End, Evaluated, Event, Start, Step

CHARS = 100  # per step


def start(text: str = "abc", **options: Any) -> Start:
    """Options are those of ModelConfig and TrainConfig."""
    model = ModelConfig(**{n: v for n, v in options.items() if n in vars(ModelConfig())})
    train = TrainConfig(**{n: v for n, v in options.items() if n in vars(TrainConfig())}).tuned(model)
    config = asdict(model) | asdict(train)
    return Start(config, {"sha256": text}, 1, 1, 0, "0", batch_size=1, total_steps=100, steps_per_epoch=10)


def step(at: int, bpc: float, seconds: float | None = None) -> Step:
    elapsed = at / 10 if seconds is None else seconds
    return Step(at, at / 10, at * CHARS, bpc * math.log(2), bpc, 2**bpc, 0.1, 1.0, 1e3, elapsed)


def val(at: int, bpc: float, seconds: float | None = None, split: str = "val") -> Evaluated:
    elapsed = at / 10 if seconds is None else seconds
    return Evaluated(at, at / 10, split, bpc * math.log(2), bpc, 2**bpc, elapsed)


def end(reason: str, best: Evaluated | None = None) -> End:
    """best: the kept model as the end event reports it; without validation, only its step."""
    fields = ("step", "epoch", "loss", "bpc", "perplexity")
    said = {name: getattr(best, name) for name in fields} if best else {"step": 1, "epoch": 0.1}
    return End(reason, said, compile_s=1.0, train_s=2.0, chars_per_s=1e3)


def write(path: Path, *events: Event, end: str = "") -> Path:
    """end: text after the last complete line."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(event.record()) + "\n" for event in events) + end)
    return path


def run(path: Path, last: float = 2.0, **options: Any) -> Path:
    """The log of a run whose training falls from 6 to `last`, and validation to 0.1 more."""
    losses = [last + (6 - last) * math.exp(-i / 3) for i in range(31)]
    steps = [step(max(1, 10 * i), loss) for i, loss in enumerate(losses)]
    return write(path, start(**options), *steps, val(150, last + 0.5), val(300, last + 0.1))
