"""Training learns, repeats itself bit by bit on any number of threads, clips, and keeps the best model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
from support import CELLS

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.reading import load
from charrnn.checkpoint.writing import save
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import DivergedError, TextError, UsageError
from charrnn.model.pytorch import named
from charrnn.model.shard import Shard
from charrnn.parallel.threads import Team
from charrnn.text.corpus import from_text
from charrnn.training import events
from charrnn.training import plan as plans
from charrnn.training.origin import Origin
from charrnn.training.plan import Plan
from charrnn.training.trainer import Trainer


def trainer(text: str, path: Path, model: dict[str, Any] | None = None, **config: Any) -> Trainer:
    defaults = {"epochs": 1e6, "val_fraction": 0.0, "threads": 1}
    shape = ModelConfig(**({"dropout": 0.0} | (model or {})))
    plan = Plan.of(from_text(text), shape, TrainConfig(**(defaults | config)))
    return Trainer(plan.of_rank(), path)


def of_kind(kind: type, run: Iterator[events.Event]) -> list[Any]:
    return [event for event in run if isinstance(event, kind)]


@pytest.mark.parametrize("cell", CELLS)
def test_a_short_text_is_learnt_by_heart(cell, fables, tmp_path):
    model = {"cell": cell, "hidden_size": 48}
    run = trainer(
        fables[40:240],
        tmp_path / "m.npz",
        model,
        lr=0.01,
        lr_schedule="constant",
        batch_size=4,
        seq_len=49,
        max_steps=250,
    )
    losses = [step.loss for step in of_kind(events.Step, run.run())]
    assert losses[0] > 3
    assert losses[-1] < 0.05


def parameters(cell: str, text: str, path: Path, **config: Any) -> np.ndarray:
    """After five steps on shards of 16, 16 and 8 sequences, and more than one block of parameters."""
    model = {"cell": cell, "hidden_size": 100, "num_layers": 2, "dropout": 0.3}
    run = trainer(text, path, model, batch_size=40, seq_len=16, max_steps=5, **config)
    parallel = run.learner.parallel
    assert len(parallel.shards) == 3 and len(parallel.blocks) > 1
    list(run.run())
    return run.network.flat


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(cell, fables, tmp_path):
    first = parameters(cell, fables[:3000], tmp_path / "m.npz")
    saved = (tmp_path / "m.npz").read_bytes()
    for threads in (1, 2, 3, 4):
        again = parameters(cell, fables[:3000], tmp_path / f"{threads}.npz", threads=threads)
        np.testing.assert_array_equal(again, first, err_msg=f"{threads} threads")
    arrays = [np.load(path) for path in (tmp_path / "m.npz", tmp_path / "3.npz")]
    for name in set(arrays[0].files) - {"meta"}:  # which tells the number of threads
        assert arrays[0][name].tobytes() == arrays[1][name].tobytes()
    assert saved == (tmp_path / "1.npz").read_bytes()


def test_another_seed_gives_other_bits(fables, tmp_path):
    first, other = (parameters("gru", fables[:3000], tmp_path / "m.npz", seed=seed) for seed in (0, 1))
    assert (first != other).mean() > 0.99


def test_every_shard_of_every_step_and_seed_has_its_own_dropout_masks(fables, tmp_path, monkeypatch):
    gradient, keys = Shard.gradient, []

    def note_key(shard: Shard, *arguments: Any) -> float:
        if shard.batch > 1:  # not the one that only compiles
            keys.append(arguments[5])
        return gradient(shard, *arguments)

    monkeypatch.setattr(Shard, "gradient", note_key)
    model = {"dropout": 0.3, "hidden_size": 4}
    config = {"batch_size": 40, "seq_len": 16, "max_steps": 4}
    for seed in (0, 1):
        list(trainer(fables[:3000], tmp_path / "m.npz", model, seed=seed, **config).run())
    assert len(keys) == len(set(keys)) == 2 * 4 * 3


@pytest.mark.parametrize("clip", [0.0, 0.01, 1e9])
def test_the_norm_is_reported_unclipped_and_the_update_clipped(clip, fables, tmp_path):
    """The first moment after one step is a tenth of the gradient that Adam was given."""
    model = {"cell": "lstm", "hidden_size": 12, "dtype": "float64"}
    run = trainer(
        fables[:3000], tmp_path / "m.npz", model, batch_size=40, seq_len=16, clip_norm=clip, max_steps=1
    )
    net = run.network
    net.pack()
    _, expected, _ = support.gradient(
        Shard(net, 40, 16), *run.plan.streams.chunk(0)
    )  # one shard in place of three
    grad = np.zeros(net.layout.size)
    for name, view in named(net.layout, grad).items():
        view[...] = expected[name]
    norm = math.sqrt(float(np.sum(grad**2)))
    (step,) = of_kind(events.Step, run.run())
    assert step.grad_norm == pytest.approx(norm, rel=1e-12)
    factor = clip / norm if clip == 0.01 else 1
    np.testing.assert_allclose(run.learner.slots[0], 0.1 * factor * grad, rtol=1e-9, atol=1e-15)
    assert norm > 0.02  # so that 0.01 clips


def test_the_loss_of_a_step_is_the_mean_over_its_chunk(fables, tmp_path):
    run = trainer(
        fables[:3000], tmp_path / "m.npz", {"hidden_size": 12}, batch_size=40, seq_len=16, max_steps=2
    )
    run.network.pack()
    expected = Shard(run.network, 40, 16).score(*run.plan.streams.chunk(0)).mean()
    first, second = of_kind(events.Step, run.run())
    assert first.loss == pytest.approx(expected, rel=1e-6)
    assert first.bpc == pytest.approx(first.loss / math.log(2))
    assert (first.chars, second.chars) == (640, 1280)


def test_the_state_is_carried_between_chunks_and_not_between_epochs(fables, tmp_path):
    """But for the one stream in turn, of 64, that starts anew in each step, where a text has no lines."""
    text = fables[:200].replace("\n", " ")
    run = trainer(text, tmp_path / "m.npz", {"hidden_size": 6}, lr=1e-9, batch_size=2, seq_len=25, epochs=2)
    run.network.pack()
    shard = Shard(run.network, 2, 25)
    expected = []
    for step, chunk in enumerate([*run.plan.streams, *run.plan.streams]):
        if step % len([*run.plan.streams]) == 0:
            shard.state[...] = 0
        if step % 64 < 2:
            shard.rows_of_state[:, :, step % 64] = 0
        expected.append(shard.score(*chunk).mean())
    losses = [step.loss for step in of_kind(events.Step, run.run())]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_the_best_model_is_kept_and_its_figures_are_those_of_the_tail(fables, tmp_path):
    """A learning rate that spoils the model after a while: the file is of the best validation."""
    path = tmp_path / "m.npz"
    model = {"cell": "gru", "hidden_size": 32}
    config = {"lr": 0.05, "batch_size": 8, "seq_len": 16, "max_steps": 120, "eval_every": 10}
    run = trainer(fables[:2000], path, model, val_fraction=0.2, clip_norm=0.0, **config)
    seen, kept = [], b""
    for event in run.run():
        if isinstance(event, events.Evaluated):
            seen.append((event.loss, event.step))
        if isinstance(event, events.Saved) and event.kind == "best":
            assert event.step == min(seen)[1]
            kept = path.read_bytes()
        if isinstance(event, events.End):
            assert (event.best["loss"], event.best["step"]) == min(seen)
    assert [step for _, step in seen] == list(range(10, 121, 10))
    assert min(seen) != seen[-1], "the run is to end on a worse model than its best"
    assert path.read_bytes() == kept
    best = load(path)
    tail = best.vocabulary.encode(fables[1600:2000])
    assert support.nats(best.network, tail, Team(1)).mean() == pytest.approx(min(seen)[0], rel=1e-12)
    assert best.meta["metrics"]["step"] == min(seen)[1]
    assert best.meta["metrics"]["loss"] == min(seen)[0]


def test_without_validation_the_last_model_is_kept(fables, tmp_path):
    run = trainer(fables[:500], tmp_path / "m.npz", {"hidden_size": 8}, max_steps=7, eval_every=3)
    saved = of_kind(events.Saved, run.run())
    both = [(step, kind) for step in (3, 6) for kind in ("best", "last")]
    assert [(event.step, event.kind) for event in saved] == [(0, "last"), *both, (7, "last"), (7, "best")]
    np.testing.assert_array_equal(load(tmp_path / "m.npz").network.flat, run.network.flat)


def test_stop_ends_after_the_step_with_everything_saved(fables, tmp_path):
    run = trainer(fables[:500], tmp_path / "m.npz", {"hidden_size": 8})
    steps = []
    for event in run.run():
        if isinstance(event, events.Step):
            steps.append(event.step)
            if event.step == 4:
                run.stop()
    assert steps == [1, 2, 3, 4] and event.reason == "interrupted"
    np.testing.assert_array_equal(load(tmp_path / "m.npz").network.flat, run.network.flat)


def test_a_stop_right_after_a_validation_does_not_repeat_it(fables, tmp_path):
    config = {"lr": 0.05, "batch_size": 8, "seq_len": 16, "eval_every": 10, "val_fraction": 0.2}
    run = trainer(
        fables[:2000], tmp_path / "m.npz", {"cell": "gru", "hidden_size": 32}, clip_norm=0.0, **config
    )
    seen = []
    for event in run.run():
        if isinstance(event, events.Evaluated):
            seen.append((event.loss, event.step))
            if min(seen) != seen[-1]:  # no record, so that no best model is of this step
                run.stop()
    assert [step for _, step in seen] == list(range(10, 10 * len(seen) + 1, 10))


@pytest.mark.parametrize("cell", CELLS)
def test_a_run_that_diverges_goes_back_with_half_the_rate_and_in_the_end_says_so(cell, fables, tmp_path):
    model = {"hidden_size": 32, "cell": cell}
    run = trainer(fables[:3000], tmp_path / "m.npz", model, lr=1000, max_steps=500)
    seen: list[events.Event] = []

    def watch() -> None:
        for event in run.run():
            seen.append(event)  # noqa: PERF402

    with pytest.raises(DivergedError, match=r"lower lr \(it was 1000\)"):
        watch()
    scales = [event.lr_scale for event in seen if isinstance(event, events.Rewound)]
    assert len(scales) >= 5 and scales[0] == 0.5
    assert all(later == earlier / 2 for earlier, later in pairwise(scales))
    assert isinstance(seen[-1], events.End) and seen[-1].reason == "diverged"
    assert np.isfinite(load(tmp_path / "m.last.npz").network.flat).all()


def test_a_model_to_begin_from_that_overflows_is_to_blame_not_the_rate(fables, tmp_path):
    model = {"hidden_size": 8, "cell": "rnn_relu"}
    fresh = trainer(fables[:3000], tmp_path / "m.npz", model)
    fresh.network.flat[...] = 1e30
    run = Trainer(
        fresh.plan, tmp_path / "m.npz", network=fresh.network, origin=Origin(init_sha256="of that model")
    )
    with pytest.raises(DivergedError, match="the model that this run started from overflows on this text"):
        list(run.run())


@pytest.mark.parametrize(
    "tensor", ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_l0", "out.weight", "out.bias"]
)
def test_nan_in_any_tensor_is_found_in_that_step_and_not_applied(tensor, fables, tmp_path):
    run = trainer(fables[:3000], tmp_path / "m.npz", {"hidden_size": 8}, batch_size=8, max_steps=9)
    steps = run.run()
    next(event for event in steps if isinstance(event, events.Step) and event.step == 4)
    kept = tmp_path / "kept.npz"
    save(kept, Checkpoint(run.network, run.plan.vocabulary, {}))
    clean = run.network.flat.copy()
    named(run.network.layout, run.network.flat)[tensor][...] = np.nan
    spoilt = run.network.flat.copy()
    event = next(steps)
    assert isinstance(event, events.Skipped) and event.step == 5
    np.testing.assert_array_equal(run.network.flat, spoilt)
    run.network.flat[...] = clean
    rest = list(steps)
    assert [e.step for e in rest if isinstance(e, events.Step)] == [6, 7, 8, 9]
    assert np.isfinite(run.network.flat).all()


@pytest.mark.parametrize("text", ["", "a"])
def test_a_text_too_short_is_refused(text, tmp_path):
    with pytest.raises(TextError, match="at least 2"):
        trainer(text, tmp_path / "m.npz")


@pytest.mark.parametrize("text", ["ab", "aaaa", "abc" * 5])
def test_the_shortest_texts_train(text, tmp_path):
    run = trainer(text, tmp_path / "m.npz", {"hidden_size": 3}, max_steps=3, val_fraction=0.1)
    assert len(of_kind(events.Step, run.run())) == 3
    assert np.isfinite(run.network.flat).all()


def test_a_long_epoch_is_saved_on_the_way_by_the_work_done(fables, tmp_path, monkeypatch):
    weights = 8 * 4 * 8 + 8 * len({*fables[:3000]})  # of the lstm's gates, and of the output
    monkeypatch.setattr(plans, "SAVE", 4 * 6 * weights * 2 * 10)
    run = trainer(
        fables[:3000], tmp_path / "m.npz", {"hidden_size": 8}, batch_size=2, seq_len=10, max_steps=9
    )
    saved = [event.step for event in of_kind(events.Saved, run.run()) if event.kind == "last"]
    assert saved == [0, 4, 8, 9]


def test_the_learning_rate_suits_optimiser_width_cell_and_batch_unless_it_is_given():
    def rate(hidden: int, cell: str = "lstm", **config: Any) -> float:
        return TrainConfig(**config).tuned(ModelConfig(cell=cell, hidden_size=hidden)).lr

    assert rate(64) == rate(128) == 2 * rate(256) == 4 * rate(512)
    assert rate(64, optimizer="sgd") == rate(512, optimizer="sgd") > 1
    assert rate(512, lr=0.125) == rate(512, "gru", lr=0.125, batch_size=4) == 0.125
    assert rate(256, "gru", batch_size=16) == 0.5 * rate(256, "gru", batch_size=64) == 0.5 * rate(256)
    assert rate(256, batch_size=16) == rate(256) and rate(256, "gru", batch_size=128) == rate(256)


def test_an_older_model_is_gone_once_the_run_that_overwrites_it_has_begun(fables, tmp_path):
    """Or a run that ends early would leave that model under its name."""
    path = tmp_path / "m.npz"
    path.write_bytes(b"an older model")
    for event in trainer(fables[:500], path, {"hidden_size": 8}, max_steps=3, eval_every=3).run():
        if isinstance(event, events.Step):
            break
    assert not path.exists()


@pytest.mark.parametrize("config", [{"patience": 2}, {"lr_schedule": "plateau"}])
def test_what_needs_a_validation_is_refused_without_one(config, fables, tmp_path):
    with pytest.raises(UsageError, match="val"):
        trainer(fables[:500], tmp_path / "m.npz", **config)


def test_every_other_step_a_stream_that_begins_a_line_starts_from_zero(tmp_path):
    text = "".join(f"{n}\n" for n in range(400)) + "no line ends here " * 9
    run = trainer(
        text,
        tmp_path / "m.npz",
        model={"cell": "rnn", "hidden_size": 4},
        seq_len=8,
        batch_size=5,
        epochs=4,
        val_fraction=0.0,
    )
    fresh = []
    run.learner.restart = fresh.append
    list(run.run())
    length, chunks = run.plan.streams.length, run.plan.streams.chunks
    for step, stream in enumerate(fresh):
        begin = [b for b in range(5) if (at := b * length + step % chunks * 8) and text[at - 1] == "\n"]
        if step % 2:
            assert stream in begin if begin else stream not in range(5)
        else:
            assert stream == step // 2 % 64
    assert len({*fresh[1::2]} - {-1}) > 2


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("model", [{}, {"cell": "gru", "num_layers": 2, "embed_size": 5, "attention": 3}])
def test_the_memory_foretold_is_the_memory_taken(fables, tmp_path, model, optimizer):
    options = {"batch_size": 20, "seq_len": 9, "optimizer": optimizer, "val_fraction": 0.0}
    plan = Plan.of(from_text(fables[:2000]), ModelConfig(**model), TrainConfig(**options))
    run = Trainer(plan.of_rank(), tmp_path / "m.npz")
    learner, network = run.learner, run.network
    panels = [*network.panels[:-1], *(network.panels.attention or ())]
    taken = [network.flat, *panels, learner.slots, learner.parallel.grads]
    taken += [array for shard in learner.parallel.shards for array in shard.memory.values()]
    assert plan.nbytes == sum(array.nbytes for array in taken)
    list(run.files.save_last(run.progress))
    assert plan.saved_nbytes == pytest.approx(run.files.names.last.stat().st_size, rel=0.01)
