"""A training run as the command line asks for it: what is read, checked, resumed, shown and logged."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import cells
from ..config import ModelConfig, TrainConfig, option
from ..errors import TextError, UsageError
from .files import make_folder
from .log import JsonLog

if TYPE_CHECKING:
    from ..training import Trainer

# what may differ when a run is resumed: when it ends and what it shows, not what it computes
FREE = {"epochs", "max_steps", "max_time", "patience", "save_every", "keep_last", "sample_every", "threads"}


@dataclass(frozen=True)
class Run:
    """The options of a run; call it to train."""

    corpus: list[Path]
    model: ModelConfig
    config: TrainConfig
    given: set[str]  # options that the user named
    path: Path
    log: Path
    val: Path | None
    init_from: Path | None
    extend_vocab: bool
    resume: bool
    command: list[str]

    def __call__(self, quiet: bool) -> int:
        """Train, log and show it; the exit code."""
        from ..lock import output
        from .display import display
        from .signals import Stopper

        cells.find(self.model.cell)  # before a text is read that may be long
        trainer = self.trainer()
        make_folder(self.path.parent)
        make_folder(self.log.parent)
        with output(self.path):
            if self.resume:
                trainer.resume()
            with (
                JsonLog(self.log, append=self.resume) as record,
                display(quiet) as show,
                Stopper(trainer.stop, quiet) as stopper,
            ):
                for event in trainer.run():
                    record(event)
                    show(event)
        return stopper.code

    def dry(self) -> int:
        """Show what the run would be."""
        trainer = self.trainer()
        net, corpus = trainer.network, trainer.corpus
        flops = 6 * (net.layout.size - net.weights.input.size)
        shards = len(trainer.learner.parallel.shards)
        work = sum(a.nbytes for shard in trainer.learner.parallel.shards for a in shard.memory.values())
        memory = net.flat.nbytes * (shards + 4) + work
        for name, value in (
            ("characters", f"{corpus['train']:,} train, {corpus['val']:,} val, {corpus['test']:,} test"),
            ("vocabulary", f"{corpus['vocab']:,}"),
            ("parameters", f"{net.layout.size:,}"),
            ("steps", f"{trainer.total_steps:,}, {trainer.streams.chunks:,} an epoch"),
            ("memory", f"{memory / 1e6:,.0f} MB and the text"),
            (
                "cost",
                f"{flops * trainer.total_steps * trainer.streams.batch_size * self.config.seq_len:.2g} flops",
            ),
        ):
            print(f"{name:<11} {value}")
        return 0

    def trainer(self) -> Trainer:
        """Everything read and set up.  Errors: those of each part; UsageError for options that contradict."""
        from .. import checkpoint, corpus, finetune
        from ..training import Trainer
        from .console import note

        model, config, network = self.model, self.config, None
        saved = checkpoint.load(checkpoint.last_path(self.path)) if self.resume else None
        if saved:
            model = self._same("model", model, saved.meta["model"], set())
            config = self._same("training", config, saved.meta.get("training", {}), FREE)
        text = corpus.load(self.corpus, config.encoding, config.level)
        if saved:  # in its vocabulary, which a fine-tuned model's text may not have whole
            network, text = finetune.adapt(saved, text, extend=False, seed=config.seed)
        elif self.init_from:
            start = checkpoint.load(self.init_from)
            model = self._same("model", model, start.meta["model"], {"dropout"})
            network, text = finetune.adapt(start, text, self.extend_vocab, config.seed)
            network.config = model
        val = None
        if self.val:
            val, skipped = corpus.encode(self.val, text.vocabulary, config.encoding, config.unknown)
            if skipped:
                note(f"{self.val}: {skipped:,} characters that training never saw were left out")
            if len(val) < 2:
                raise TextError(f"{self.val} has {len(val)} characters", "validation needs at least 2")
        return Trainer(text, model, config, self.path, val=val, network=network, command=self.command)

    def _same(self, kind: str, ours: Any, theirs: dict[str, Any], free: set[str]) -> Any:
        """The saved options; those that may change as the user named them now; an error for any other."""
        values = {}
        for name in (f.name for f in fields(ours) if f.name in theirs):
            values[name] = theirs[name]
            if name in self.given and getattr(ours, name) != theirs[name]:
                if name not in free:
                    raise UsageError(
                        f"{option(name)} is {getattr(ours, name)}, but the saved {kind} has {theirs[name]}",
                        "leave the option out",
                    )
                values[name] = getattr(ours, name)
        return replace(ours, **values)
