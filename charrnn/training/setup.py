"""Turn a request into a run that can begin: read texts, settle options, load weights."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..array_types import Ids
from ..checkpoint.reading import load
from ..config import ModelConfig, TrainConfig
from ..errors import TextError
from ..errors import field as option
from ..model.network import Network, arithmetic_note, refuse_without_bfloat16
from ..text import corpus
from ..text.line_order import shuffle_lines
from ..text.notes import Notes
from ..text.tail_kind import tail_note
from ..text.vocabulary import Vocabulary
from . import finetune, resume, speed
from .changeable_options import FINE_TUNED, saved_or_given
from .fitting import described, fit_of, fitted
from .origin import Origin, commands_of
from .plan import Plan, cut_text

ENOUGH = 100  # updates per epoch; 300,000 characters have 66 of 64 x 64, which did much worse


@dataclass(frozen=True)
class Request:
    """A run as the user requests it."""

    corpus: list[Path]
    model: ModelConfig
    config: TrainConfig
    out: Path  # for the best model
    given: Collection[str] = ()  # fields of model and config that the user set
    val: Path | None = None
    init_from: Path | None = None
    extend_vocab: bool = True
    resume: bool = False
    processes: int = 1  # that share the work
    text: str | None = None  # a text in memory, in place of files


@dataclass(frozen=True)
class Setup:
    """A run that can begin."""

    plan: Plan
    network: Network | None  # to start from; None: an untrained one
    origin: Origin  # with the running command
    notes: list[str] = field(default_factory=list)  # for the user


def prepare(request: Request) -> Setup:
    """Set up a run.  Errors: as for checkpoints and texts; UsageError for options unlike the saved ones."""
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
        config = resume.options(saved, config, request.given)
    text = _text(request, config, of_texts)
    if saved:  # in its vocabulary: a fine-tuned model's may be larger than that of the text
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
    fitted = resume.fitted_then(saved, model, config) if saved else ""
    if not saved:
        given = {*request.given, *(vars(model) if start else ())}
        model, config, fitted = _fitted(text, model, config, given, val, request.processes)
    plan = Plan.of(text, model, config, val)
    notes += [] if saved else _advice(plan, request)
    origin = Origin(
        earlier_commands=commands_of(start) if start else (), init_sha256=init_sha256, fitted=fitted
    )
    return Setup(plan, network, origin, [note for note in notes if note])


def _text(request: Request, config: TrainConfig, notes: Notes) -> corpus.Corpus:
    """Read the corpus.  Errors: TextError; UsageError for a single line to shuffle."""
    if request.text is not None:
        text = corpus.from_text(request.text, config.level)
    else:
        how = config.encoding, config.level, config.encoding_errors, config.join, notes
        text = corpus.load(request.corpus, *how)
    return shuffle_lines(text, config.seed, notes) if config.shuffle_lines else text


def _fitted(
    text: corpus.Corpus,
    model: ModelConfig,
    config: TrainConfig,
    given: Collection[str],
    val: Ids | None,
    processes: int,
) -> tuple[ModelConfig, TrainConfig, str]:
    """Return options fitted to the text, and a sentence that lists them."""
    characters = len(cut_text(text, config, val).train)

    rate = 0.0  # flops per second, much the same for all models

    def epochs_in_time(model: ModelConfig, config: TrainConfig) -> float:
        nonlocal rate
        one = Plan.of(text, model, replace(config, epochs=1.0), val)
        flops = one.flops * one.total_steps
        rate = rate or flops / speed.seconds(one, processes)
        return config.max_time * rate / flops

    model, config = fitted(model, config, given, characters, epochs_in_time)
    return model, config, described(model, config, given, characters)


def _validation(path: Path, vocabulary: Vocabulary, config: TrainConfig, notes: Notes) -> tuple[Ids, str]:
    """Return the ids of a validation text, and a note on it.  Errors: TextError."""
    ids, skipped = corpus.encode(
        path, vocabulary, config.encoding, config.unknown, config.encoding_errors, notes
    )
    if len(ids) < 2:
        raise TextError(f"{path} has {len(ids)} characters", "validation needs at least 2")
    return ids, f"{path}: skipped {skipped:,} characters that are not in the training text" if skipped else ""


def _advice(plan: Plan, request: Request) -> list[str]:
    """Return notes on a text or an option that may harm a new run, with what would be better."""
    tail = "" if request.val else tail_note(plan.split, plan.vocabulary, plan.config.seed)
    return [tail, _few_updates(plan) if "batch_size" in request.given else ""]


def _few_updates(plan: Plan) -> str:
    """Return a note if large minibatches leave an epoch too few updates, or an empty string."""
    updates, batch_size = plan.streams.chunks, plan.streams.batch_size
    better = fit_of(len(plan.split.train)).batch_size
    if updates >= ENOUGH or batch_size < 4 * better:
        return ""
    return (
        f"{batch_size} streams leave only {updates} update{'s' * (updates > 1)} per epoch: a model learns "
        f"more from many small ones; {option('batch_size', str(better))} did well for texts of this length"
    )
