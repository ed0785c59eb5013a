"""A model whose weights are finite and whose numbers are not is told wherever it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import support
from program import run

from charrnn.api import Model
from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.config import EvalConfig, SampleConfig
from charrnn.errors import OverflowingModelError
from charrnn.model.network import Network
from charrnn.parallel.threads import Team
from charrnn.sampling.sampler import Sampler
from charrnn.scoring.reader import evaluate, score_lines
from charrnn.scoring.texts import TextScorer
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.samples import sampled

LETTERS = "\nabcdefgh"
TEXT = "abcd\nefgh\n" * 900  # two streams
TOO_LARGE = "its weights are too large: train it again with a lower"


def overflowing(cell: str = "rnn_relu", weights: float = 1e30, **config: object) -> Checkpoint:
    network = support.network(cell, len(LETTERS), 8, num_layers=2, **config)
    network.flat[...] = weights
    network.pack()
    return Checkpoint(network, Vocabulary.of(LETTERS), {})


def large_output() -> Checkpoint:
    """Of which the states are sound."""
    network = support.network("gru", len(LETTERS), 8)
    network.weights.out[...] = np.where(network.weights.out > 0, 3e38, -3e38)
    network.pack()
    return Checkpoint(network, Vocabulary.of(LETTERS), {})


def counter(limit: int) -> Checkpoint:
    """Its one unit doubles at each character, and is beyond float32 after about `limit` of them."""
    network = support.network("rnn_relu", len(LETTERS), 1)
    network.flat[...] = 0
    network.weights.recurrent[...] = 2
    network.weights.bias[...] = 2.0 ** (127 - limit)
    network.weights.out[...] = 1e-38  # so that only the state overflows, and late
    network.pack()
    return Checkpoint(network, Vocabulary.of(LETTERS), {})


MODELS = {
    "a relu of large weights": lambda: overflowing(),
    "the output of a gru": lambda: large_output(),
    "an lstm of large weights": lambda: overflowing("lstm", 3e38),
    "in float64": lambda: overflowing("rnn_relu", 1e300, dtype="float64"),
    "with attention": lambda: overflowing("rnn", 3e38, attention=4),
    "a state that grows": lambda: counter(40),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Checkpoint:
    return MODELS[request.param]()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "m.npz", overflowing())
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path


@pytest.mark.parametrize(
    "options", [{}, {"temp": 0}, {"top_k": 2}, {"repeat_penalty": 1.5}, {"num": 20}, {"prime": "abc"}]
)
def test_sampling_ends_with_what_is_wrong(model, options):
    drawn = iter(Sampler(model, SampleConfig(length=1000, **options)))
    with pytest.raises(OverflowingModelError, match=f"overflows at character \\d+ of a sample.*{TOO_LARGE}"):
        for _ in drawn:
            pass


def test_what_is_drawn_before_is_shown():
    """And where a sample ends before, nothing is wrong with it."""
    model = counter(40)
    shown: list[str] = []
    with pytest.raises(OverflowingModelError) as told:
        for block in Sampler(model, SampleConfig(length=1000, seed=3)):
            shown += block.texts
    text = "".join(shown)
    assert f"character {len(text) + 1} of a sample" in str(told.value) and len(text) > 30
    assert "".join(sampled(model, 3)) != "" and len(sampled(model, 3)) < 200
    for config in (SampleConfig(length=len(text), seed=3), SampleConfig(stop=(text[5],), seed=3)):
        assert text.startswith("".join(block.texts[0] for block in Sampler(model, config)))


def test_scoring_tells_the_character(model, tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    scorer = TextScorer(model, EvalConfig(), Team(2))
    scorer.compile_kernels()
    with pytest.raises(OverflowingModelError, match=r"overflows at character \d+ of .*text\.txt.*too large"):
        scorer.whole(tmp_path / "text.txt")
    assert evaluate(model.network, model.vocabulary.encode(TEXT), Team(2)).loss == np.inf


def test_the_character_is_counted_over_pieces_and_over_what_is_skipped(tmp_path):
    model = counter(100)
    (tmp_path / "text.txt").write_text("?" * 50 + "a" * 3000)
    scorer = TextScorer(model, EvalConfig(unknown="skip"), Team(1))
    with pytest.raises(OverflowingModelError) as told:
        scorer.whole(tmp_path / "text.txt")
    at = int(str(told.value).split("character ")[1].split()[0])
    alone = Model(model)
    alone.nats("a" * (at - 51))
    with pytest.raises(OverflowingModelError, match=f"character {at - 50} of the text"):
        alone.nats("a" * (at - 50))


def test_lines_and_dynamic_evaluation_tell_it_too(folder):
    model = overflowing()
    for config in (EvalConfig(stateless=True), EvalConfig(dynamic=True)):
        with pytest.raises(OverflowingModelError, match="train it again"):
            TextScorer(model, config, Team(1)).whole(folder / "text.txt")
    lines = score_lines(model.network, [model.vocabulary.encode("abc\n")], None, Team(1))
    assert np.isnan(lines[0].nats[0]) and np.isinf(lines[0].nats[1:]).any()


def test_a_model_that_learns_too_fast_is_told_apart(folder):
    """The model itself scores the text, and with a lower rate it does so while it learns."""
    network = support.network("rnn_relu", len(LETTERS), 8)
    scorer = {
        lr: TextScorer(
            Checkpoint(network, Vocabulary.of(LETTERS), {}), EvalConfig(dynamic=True, lr=lr), Team(1)
        )
        for lr in (1e30, 0.001)
    }
    with pytest.raises(OverflowingModelError, match=r"a lower lr \(it was 1e\+30\), or omit dynamic"):
        scorer[1e30].whole(folder / "text.txt")
    assert np.isfinite(scorer[0.001].whole(folder / "text.txt")[0].loss)


def test_the_largest_numbers_that_do_not_overflow_are_no_error():
    model = overflowing("rnn", 0)
    model.network.weights.out_bias[...] = np.linspace(-3e38, 3e38, len(LETTERS))
    model.network.pack()
    api = Model(model)
    assert api.score(TEXT).loss > 1e37
    assert set(api.sample(length=50, temp=1)) == {LETTERS[-1]}


def test_in_python(model):
    api = Model(model)
    text = "a" * 400
    for call in (api.score, api.nats, api.sample, lambda text: api.score_lines(["", text]), api.explain):
        with pytest.raises(OverflowingModelError, match=r"overflows at character .*train it again"):
            call(text)
    with pytest.raises(OverflowingModelError, match="of line 2"):
        api.score_lines(["", text])


def test_gradients_are_told_where_float64_overflows_too():
    text = "abcd\nefgh\n" * 40
    with pytest.raises(OverflowingModelError, match=r"overflows at a character up to \d+ of the text"):
        Model(overflowing()).gradient_over_lag(text)
    assert np.isfinite(Model(large_output()).gradient_over_lag(text).state).all()


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "m.npz", "text.txt"],
        ["eval", "m.npz", "text.txt", "--per-line"],
        ["eval", "m.npz", "text.txt", "--per-char"],
        ["eval", "m.npz", "text.txt", "--json"],
        ["eval", "m.npz", "text.txt", "--stateless"],
        ["eval", "m.npz", "text.txt", "--dynamic"],
        ["sample", "m.npz", "-q"],
        ["sample", "m.npz", "-q", "--format", "jsonl"],
        ["explain", "m.npz", "-"],
    ],
)
def test_commands_end_with_one_line(command, folder):
    done = run(*command, cwd=folder, stdin=b"abcd")
    assert (done.code, done.out.strip(), len(done.err.splitlines())) == (1, b"", 1), done.err
    assert "the model overflows at character" in done.err and f"{TOO_LARGE} --lr or --clip-norm" in done.err


def test_scheduled_sampling_stays_in_the_vocabulary():
    network: Network = overflowing().network
    inputs, _ = support.chunk(len(LETTERS), 2, 9)
    from charrnn.model.shard import Shard

    mixed = Shard(network, 2, 9).student_inputs(inputs, 0.0, np.random.default_rng(0), 0)
    assert mixed.min() >= 0 and mixed.max() < len(LETTERS)
