"""A training run as the command line asks for it: what is read, checked, resumed, shown and logged."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import cells
from ..config import ModelConfig, TrainConfig, option
from ..errors import CheckpointError, TextError, UsageError
from ..events import Compiled, Event
from ..ranks import ONE, One
from .files import STDIO, make_folder, name_of
from .log import JsonLog

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint
    from ..corpus import Corpus
    from ..network import Network
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
    ranks: One = ONE

    def __call__(self) -> int:
        """Train, log and show it; the exit code."""
        from ..lock import output
        from .display import display
        from .signals import Stopper

        quiet, first = self.quiet, not self.ranks.rank  # who alone writes
        cells.find(self.model.cell)  # before a text is read that may be long
        trainer = self.trainer()
        for folder in {self.path.parent, self.log.parent} if first else ():
            make_folder(folder)
        with output(self.path) if first else nullcontext():
            if self.resume:
                trainer.resume()
                quiet = self._done(trainer) or quiet
            with (
                JsonLog(self.log, append=self.resume) if first else nullcontext(_ignore) as record,
                display(quiet, trainer.sample) as show,
                Stopper(trainer.stop, self._forget, quiet) as stopper,
            ):
                stopper.training = not first  # while kernels compile, rank 0 decides
                for event in trainer.run():
                    record(event)
                    show(event)
                    stopper.training |= isinstance(event, Compiled)
        code = self.ranks.highest(stopper.code)
        self.ranks.finish()
        return code

    def _forget(self) -> None:
        """Nothing was trained: the same command is to find no results of an older run."""
        if not (self.resume or self.ranks.rank) and self.log != STDIO and self.log.is_file():
            self.log.unlink()

    def _done(self, trainer: Trainer) -> bool:
        """Whether no step is left, which is said; to run then makes up for an evaluation that a kill took."""
        from .console import note

        step, total = trainer.progress.step, trainer.plan.total_steps
        if step < total:
            return False
        more = "--max-steps" if trainer.config.max_steps == total else "--epochs"
        note(f"nothing left to do: {step:,} of {total:,} steps are done; to go on, raise {more}", self.quiet)
        return True

    def dry(self) -> int:
        """Show what the run would be, however large: its model is not made."""
        self.ranks.finish()
        if self.ranks.rank:
            return 0
        from ..checkpoint import last_path
        from ..npz import LARGEST
        from ..plan import Plan

        corpus, model, config, val, _ = self._read()
        plan = Plan(corpus, model, config, val)
        plan.of_rank(self.ranks, 0)  # whether each has something to do
        parts = plan.corpus
        looks = f", attention over {model.attention} steps" if model.attention else ""
        limit = f", or {config.max_time:g} s if that ends first" if config.max_time else ""
        beyond = f", more than the {LARGEST / 1e6:,.0f} that it may have" * (plan.saved_nbytes > LARGEST)
        for name, value in (
            ("characters", f"{parts['train']:,} train, {parts['val']:,} val, {parts['test']:,} test"),
            ("vocabulary", f"{parts['vocab']:,}"),
            ("model", f"{model.cell}, {model.num_layers} x {model.hidden_size} units{looks}, {model.dtype}"),
            ("parameters", f"{plan.layout.size:,}"),
            ("steps", f"{plan.total_steps:,}, {plan.streams.chunks:,} an epoch{limit}"),
            ("memory", f"{plan.nbytes / 1e6:,.0f} MB and the text"),
            ("checkpoint", f"{plan.saved_nbytes / 1e6:,.0f} MB{beyond}"),
            ("cost", f"{plan.flops * plan.total_steps:.2g} flops"),
            ("output", f"{self.path}, {last_path(self.path).name}, {name_of(self.log, 'stdout')}"),
        ):
            print(f"{name:<11} {value}")
        return 0

    def trainer(self) -> Trainer:
        """Everything read and set up.  Errors: those of each part; UsageError for options that contradict."""
        from ..training import Trainer

        if self.ranks.rank:
            return Trainer(None, self.model, self.config, self.path, ranks=self.ranks)
        text, model, config, val, (network, init_sha256) = self._read()
        return Trainer(
            *(text, model, config, self.path),
            val=val,
            network=network,
            command=self.command,
            init_sha256=init_sha256,
            ranks=self.ranks,
        )

    def _read(self) -> tuple[Corpus, ModelConfig, TrainConfig, Ids | None, tuple[Network | None, str]]:
        """The text, the options, the validation text; the network to start from and a digest of it."""
        from .. import checkpoint, corpus, finetune

        model, config, network, init_sha256 = self.model, self.config, None, ""
        saved = self._saved() if self.resume else None
        start = checkpoint.load(self.init_from) if self.init_from else None
        if start:
            init_sha256 = finetune.digest(start)
        if saved:
            self._refuse_another_start(saved, init_sha256)
            model = self._same("model", model, saved.meta["model"], set())
            config = self._same("training", config, saved.meta.get("training", {}), FREE)
        text = corpus.load(self.corpus, config.encoding, config.level)
        if saved:  # in its vocabulary, which a fine-tuned model's text may not have whole
            network, text = finetune.adapt(saved, text, extend=False, seed=config.seed)
        elif start:
            model = self._same("model", model, start.meta["model"], {"dropout"})
            network, text = finetune.adapt(start, text, self.extend_vocab, config.seed)
            network.config = model
        val = self._val(text.vocabulary, config) if self.val else None
        return text, model, config, val, (network, init_sha256)

    def _saved(self) -> Checkpoint:
        from .. import checkpoint
        from .console import note

        last = checkpoint.last_path(self.path)
        if not last.exists():
            raise CheckpointError(
                f"there is nothing to resume: no file {last}",
                "name the run with --out, or leave --resume out",
            )
        saved = checkpoint.load(last)
        then = {name: saved.meta[name] for name in checkpoint.VERSIONS if name in saved.meta}
        if other := [f"{name} {then[name]}" for name in then if then[name] != checkpoint.VERSIONS[name]]:
            made = ", ".join(other).replace("version", "charrnn")
            note(f"made by {made}: with other versions the bits may differ from here on", self.quiet)
        return saved

    def _refuse_another_start(self, saved: Checkpoint, init_sha256: str) -> None:
        """The command of a fine-tuned run may be given again, but not with another checkpoint."""
        began = saved.meta.get("init_sha256")  # files of version 0.1.0 may lack it
        if self.init_from and began is not None and init_sha256 != began:
            raise UsageError(
                f"--init-from {self.init_from} is not what the run of {self.path} began from",
                "leave it out, or start a new run with another --out",
            )

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


def _ignore(event: Event) -> None:
    """Rank 0 tells it."""
