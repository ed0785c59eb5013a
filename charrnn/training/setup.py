"""From what a user asks for to a run that can begin: texts are read, options settled, weights found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ..array_types import Ids
from ..checkpoint.reading import load
from ..config import ModelConfig, TrainConfig
from ..errors import TextError
from ..model.network import Network, arithmetic_note, refuse_without_bfloat16
from ..text import corpus
from ..text.line_order import shuffle_lines
from ..text.notes import Notes
from ..text.tail_kind import tail_note
from ..text.vocabulary import Vocabulary
from . import finetune, resume
from .changeable_options import FINE_TUNED, RESUMED, saved_or_given
from .plan import Plan


@dataclass(frozen=True)
class Request:
    """A run as a user asks for it."""

    corpus: list[Path]
    model: ModelConfig
    config: TrainConfig
    out: Path  # of the best model
    given: Collection[str] = ()  # fields of model and config that the user named
    val: Path | None = None
    init_from: Path | None = None
    extend_vocab: bool = True
    resume: bool = False


@dataclass(frozen=True)
class Setup:
    """A run that can begin."""

    plan: Plan
    network: Network | None  # to start from; None: an untrained one
    init_sha256: str = ""  # digest of the checkpoint that is fine-tuned
    notes: list[str] = field(default_factory=list)  # what the user should know


def prepare(request: Request) -> Setup:
    """Errors: those of checkpoints and texts; UsageError for options that contradict what is saved."""
    model, config, network, init_sha256 = request.model, request.config, None, ""
    saved = resume.saved_run(request.out) if request.resume else None
    start = load(request.init_from) if request.init_from else None
    notes, of_texts = [resume.other_versions(saved)] if saved else [], Notes()
    if model.dtype == "bfloat16" and not saved:
        refuse_without_bfloat16()
    if start:
        init_sha256 = finetune.digest(start)
    if saved:
        if request.init_from:
            resume.refuse_another_start(saved, request.init_from, init_sha256, request.out)
        model = saved_or_given("model", model, saved.meta["model"], request.given, ())
        options = resume.OLDEST | saved.meta.get("training", {})
        config = saved_or_given("training", config, options, request.given, RESUMED)
    text = corpus.load(
        request.corpus, config.encoding, config.level, config.encoding_errors, config.join, of_texts
    )
    if config.shuffle_lines:
        text = shuffle_lines(text, config.seed, of_texts)
    if saved:  # in its vocabulary, which a fine-tuned model's text may not have whole
        network, text = finetune.adapt(saved, model, text, extend=False, seed=config.seed)
    elif start:
        model = saved_or_given("model", model, start.meta["model"], request.given, FINE_TUNED)
        network, text = finetune.adapt(start, model, text, request.extend_vocab, config.seed)
    notes.append(arithmetic_note(model))
    val = None
    if request.val:
        val, note = _validation(request.val, text.vocabulary, config, of_texts)
        notes.append(note)
    notes += of_texts
    plan = Plan.of(text, model, config, val)
    if not (saved or request.val):
        notes.append(tail_note(plan.split, text.vocabulary, config.seed))
    return Setup(plan, network, init_sha256, [note for note in notes if note])


def _validation(path: Path, vocabulary: Vocabulary, config: TrainConfig, notes: Notes) -> tuple[Ids, str]:
    """The text's ids, and what to say of it.  Errors: TextError."""
    ids, skipped = corpus.encode(
        path, vocabulary, config.encoding, config.unknown, config.encoding_errors, notes
    )
    if len(ids) < 2:
        raise TextError(f"{path} has {len(ids)} characters", "validation needs at least 2")
    return ids, f"{path}: {skipped:,} characters that training never saw were left out" if skipped else ""
