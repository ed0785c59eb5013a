"""A training run as the command line asks for it: what is read, checked, resumed, shown and logged."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import cells
from ..config import ModelConfig, TrainConfig, option
from ..errors import CheckpointError, TextError, UsageError
from ..events import Compiled
from .files import make_folder
from .log import JsonLog

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint
    from ..text import Ids, Vocabulary
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
    quiet: bool = False

    def __call__(self) -> int:
        """Train, log and show it; the exit code."""
        from ..lock import output
        from .display import display
        from .signals import Stopper

        quiet = self.quiet
        cells.find(self.model.cell)  # before a text is read that may be long
        trainer = self.trainer()
        make_folder(self.path.parent)
        make_folder(self.log.parent)
        with output(self.path):
            if self.resume:
                trainer.resume()
                quiet = self._done(trainer) or quiet
            with (
                JsonLog(self.log, append=self.resume) as record,
                display(quiet) as show,
                Stopper(trainer.stop, self._forget, quiet) as stopper,
            ):
                for event in trainer.run():
                    record(event)
                    show(event)
                    stopper.training |= isinstance(event, Compiled)
        return stopper.code

    def _forget(self) -> None:
        """Nothing was trained: the same command is to find no results of an older run."""
        if not self.resume and self.log.is_file():
            self.log.unlink()

    def _done(self, trainer: Trainer) -> bool:
        """Whether no step is left, which is said; to run then makes up for an evaluation that a kill took."""
        from .console import note

        step, total = trainer.progress.step, trainer.total_steps
        if step < total:
            return False
        more = "--max-steps" if trainer.config.max_steps == total else "--epochs"
        note(f"nothing left to do: {step:,} of {total:,} steps are done; to go on, raise {more}", self.quiet)
        return True

    def dry(self) -> int:
        """Show what the run would be."""
        trainer = self.trainer()
        net, corpus, streams, config = trainer.network, trainer.corpus, trainer.streams, trainer.config
        model, shards = net.config, trainer.learner.parallel.shards
        flops = 6 * net.layout.products * streams.batch_size * config.seq_len
        work = sum(a.nbytes for shard in shards for a in shard.memory.values())
        memory = net.flat.nbytes * (len(shards) + 4) + work
        looks = f", attention over {model.attention} steps" if model.attention else ""
        limit = f", or {config.max_time:g} s if that ends first" if config.max_time else ""
        for name, value in (
            ("characters", f"{corpus['train']:,} train, {corpus['val']:,} val, {corpus['test']:,} test"),
            ("vocabulary", f"{corpus['vocab']:,}"),
            ("model", f"{model.cell}, {model.num_layers} x {model.hidden_size} units{looks}, {model.dtype}"),
            ("parameters", f"{net.layout.size:,}"),
            ("steps", f"{trainer.total_steps:,}, {streams.chunks:,} an epoch{limit}"),
            ("memory", f"{memory / 1e6:,.0f} MB and the text"),
            ("cost", f"{flops * trainer.total_steps:.2g} flops"),
            ("output", f"{self.path}, {trainer.files.last_path.name}, {self.log}"),
        ):
            print(f"{name:<11} {value}")
        return 0

    def trainer(self) -> Trainer:
        """Everything read and set up.  Errors: those of each part; UsageError for options that contradict."""
        from .. import checkpoint, corpus, finetune
        from ..training import Trainer

        model, config, network = self.model, self.config, None
        saved = self._saved() if self.resume else None
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
        val = self._val(text.vocabulary, config) if self.val else None
        return Trainer(text, model, config, self.path, val=val, network=network, command=self.command)

    def _saved(self) -> Checkpoint:
        from .. import checkpoint

        last = checkpoint.last_path(self.path)
        if not last.exists():
            raise CheckpointError(
                f"there is nothing to resume: no file {last}",
                "name the run with --out, or leave --resume out",
            )
        return checkpoint.load(last)

    def _val(self, vocabulary: Vocabulary, config: TrainConfig) -> Ids:
        from ..corpus import encode
        from .console import note

        assert self.val
        ids, skipped = encode(self.val, vocabulary, config.encoding, config.unknown)
        if skipped:
            note(f"{self.val}: {skipped:,} characters that training never saw were left out", self.quiet)
        if len(ids) < 2:
            raise TextError(f"{self.val} has {len(ids)} characters", "validation needs at least 2")
        return ids

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
