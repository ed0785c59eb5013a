"""safetensors and ONNX: run by PyTorch and onnxruntime to the same logits; and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
from program import run

from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.reading import load
from charrnn.checkpoint.writing import save
from charrnn.errors import CheckpointError, UsageError
from charrnn.exchange import importing, onnx_graph, safetensors_file
from charrnn.model.pytorch import export
from charrnn.model.shard import Shard
from charrnn.text.vocabulary import Vocabulary

LETTERS = "abcdefghij \n"
MODELS: dict[str, dict[str, Any]] = {
    "rnn": {"cell": "rnn"},
    "rnn_relu": {"cell": "rnn_relu"},
    "lstm": {"cell": "lstm", "num_layers": 2},
    "gru": {"cell": "gru", "num_layers": 2, "embed_size": 5},
    "attention": {"cell": "lstm", "num_layers": 2, "attention": 7},
    "float64": {"cell": "gru", "dtype": "float64", "attention": 3},
}
TEXT = np.random.default_rng(0).integers(0, len(LETTERS), (3, 20))


def model(name: str) -> Checkpoint:
    config = dict(MODELS[name])
    return Checkpoint(
        support.network(config.pop("cell"), len(LETTERS), 9, **config), Vocabulary.of(LETTERS), {}
    )


def logits(checkpoint: Checkpoint, text: Any) -> Any:
    """(B, T, V), with the state carried over two chunks."""
    shard = Shard(checkpoint.network, len(text), 20)
    first = support.logits(shard, text[:, :13])
    shard.score(text[:, :13], text[:, :13])
    return np.concatenate([first, support.logits(shard, text[:, 13:])], axis=1)


@pytest.mark.parametrize("name", MODELS)
def test_onnxruntime_finds_the_same_logits(name, tmp_path: Path):
    runtime = pytest.importorskip("onnxruntime", reason="runs ONNX graphs with onnxruntime")
    of = model(name)
    onnx_graph.write(tmp_path / "m.onnx", of)
    session = runtime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    shapes = {
        each.name: [d if isinstance(d, int) else 3 for d in each.shape] for each in session.get_inputs()
    }
    state = {key: np.zeros(shape, np.float32) for key, shape in shapes.items() if key != "ids"}
    names = [each.name for each in session.get_outputs()]
    found = []
    for chunk in (TEXT[:, :13], TEXT[:, 13:14], TEXT[:, 14:]):  # of any length, one step too
        out = dict(zip(names, session.run(None, {"ids": chunk.T, **state}), strict=True))
        found.append(out["logits"].transpose(1, 0, 2))
        state = {key: out[f"next_{key}"] for key in state}
    np.testing.assert_allclose(np.concatenate(found, axis=1), logits(of, TEXT), atol=1e-5)
    facts = session.get_modelmeta().custom_metadata_map
    assert "".join(map(chr, json.loads(facts["vocabulary"]))) == "".join(sorted(LETTERS))
    assert json.loads(facts["config"])["cell"] == of.network.config.cell


@pytest.mark.parametrize("name", ["rnn", "rnn_relu", "lstm", "gru"])
def test_pytorch_finds_the_same_logits(name, tmp_path: Path):
    torch = pytest.importorskip("torch", reason="runs the arrays in PyTorch")
    from safetensors.torch import load_file

    of = model(name)
    config, v = of.network.config, len(LETTERS)
    safetensors_file.write(tmp_path / "m.safetensors", of)
    arrays = load_file(tmp_path / "m.safetensors")
    kind = {"rnn": torch.nn.RNN, "rnn_relu": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[
        config.cell
    ]
    more = {"nonlinearity": "relu"} if config.cell == "rnn_relu" else {}
    net = kind(config.embed_size or v, 9, config.num_layers, batch_first=True, **more)
    net.load_state_dict(
        {key.removeprefix("rnn."): value for key, value in arrays.items() if key.startswith("rnn.")}
    )
    ids = torch.tensor(TEXT)
    x = arrays["embed.weight"][ids] if config.embed_size else torch.nn.functional.one_hot(ids, v).float()
    with torch.no_grad():
        found = net(x)[0] @ arrays["out.weight"].T + arrays["out.bias"]
    np.testing.assert_allclose(found.numpy(), logits(of, TEXT), atol=1e-5)


def same(one: Checkpoint, other: Checkpoint) -> None:
    np.testing.assert_array_equal(one.network.flat, other.network.flat)
    np.testing.assert_array_equal(one.vocabulary.points, other.vocabulary.points)
    assert one.network.config == other.network.config


@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(name, tmp_path: Path):
    save(tmp_path / "m.npz", model(name))
    for ending in ("safetensors", "npz"):
        file = f"x.{ending}"
        if ending == "npz":
            np.savez(tmp_path / file, **export(model(name).network.layout, model(name).network.flat))
        else:
            assert run("export", "m.npz", file, cwd=tmp_path).code == 0
        (tmp_path / "vocab.txt").write_text(LETTERS)
        options = (
            ["--vocab", "vocab.txt", "--cell", name] if name.startswith("rnn") and ending == "npz" else []
        )
        options = options or (["--vocab", "vocab.txt"] if ending == "npz" else [])
        done = run("import", file, f"from-{ending}.npz", *options, cwd=tmp_path)
        assert done.code == 0, done.err
        same(load(tmp_path / f"from-{ending}.npz"), load(tmp_path / "m.npz"))
    assert run("sample", "from-npz.npz", "--length", 5, "--seed", 1, cwd=tmp_path).code == 0


def test_names_and_an_order_of_another_author(tmp_path: Path):
    """Characters in another order, no biases in the network, parts by names of their own."""
    of = model("gru")
    arrays = export(of.network.layout, of.network.flat)
    for name in [name for name in arrays if "bias_" in name]:
        arrays[name][...] = 0
    order = np.random.default_rng(1).permutation(len(LETTERS))
    theirs = {f"core.{name[4:]}": array for name, array in arrays.items() if name.startswith("rnn.weight")}
    theirs |= {"token_table.weight": arrays["embed.weight"][order]}
    theirs |= {"head.weight": arrays["out.weight"][order], "head.bias": arrays["out.bias"][order]}
    np.savez(tmp_path / "x.npz", **theirs)
    points = sorted(LETTERS)
    (tmp_path / "v.json").write_text(json.dumps({points[old]: new for new, old in enumerate(order)}))
    found = importing.read(tmp_path / "x.npz", tmp_path / "v.json", None)
    for name, array in export(found.network.layout, found.network.flat).items():
        np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("out.bias"), "output layer|no place"),
        (lambda a: a.update({"rnn.weight_hh_l0": a["rnn.weight_hh_l0"][:-1]}), "not a model"),
        (lambda a: a["out.weight"].fill(np.nan), "not finite"),
        (lambda a: a.update({"more.weight": np.zeros((2, 77))}), "no place"),
        (lambda a: a.update({"rnn.weight_ih_l0_reverse": a["rnn.weight_ih_l0"]}), "one direction"),
        (lambda a: a.pop("rnn.weight_ih_l0"), "end in weight_ih_l0"),
        (lambda a: a.update({"fc.weight": np.zeros((9, 9)), "fc.bias": np.zeros(9)}), "two layers"),
        (lambda a: a.update({"rnn.weight_hh_l0": np.zeros(36, np.float32)}), "not a model"),
        (lambda a: a.update({"rnn.weight_hh_l0": np.zeros((0, 0), np.float32)}), "0 units"),
    ],
)
def test_what_is_no_model_is_refused(change, words, tmp_path: Path):
    of = model("lstm")
    arrays = export(of.network.layout, of.network.flat)
    change(arrays)
    np.savez(tmp_path / "x.npz", **arrays)
    (tmp_path / "v.txt").write_text(LETTERS)
    with pytest.raises(CheckpointError, match=words):
        importing.read(tmp_path / "x.npz", tmp_path / "v.txt", None)


def test_arrays_of_a_checkpoint_keep_what_it_says(tmp_path: Path):
    """Averaged in NumPy, say: cell, level and documents come from its meta."""
    relu = support.network("rnn_relu", 256, 9)
    of = Checkpoint(relu, Vocabulary.of_bytes(), {"training": {"documents": "line"}})
    save(tmp_path / "m.npz", of)
    np.savez(tmp_path / "x.npz", **np.load(tmp_path / "m.npz"))
    safetensors_file.write(tmp_path / "x.safetensors", of)
    for name in ("x.npz", "x.safetensors"):
        found = importing.read(tmp_path / name, None, None)
        same(found, of)
        assert (found.vocabulary.level, found.documents) == ("byte", "line")


def test_one_gate_needs_a_name(tmp_path: Path):
    of = model("rnn")
    np.savez(tmp_path / "x.npz", **export(of.network.layout, of.network.flat))
    (tmp_path / "v.txt").write_text(LETTERS)
    with pytest.raises(UsageError, match="rnn_relu"):
        importing.read(tmp_path / "x.npz", tmp_path / "v.txt", None)
    same(importing.read(tmp_path / "x.npz", tmp_path / "v.txt", "rnn"), of)


def test_a_file_without_characters_needs_them(tmp_path: Path):
    of = model("lstm")
    np.savez(tmp_path / "x.npz", **export(of.network.layout, of.network.flat))
    with pytest.raises(UsageError, match="vocab"):
        importing.read(tmp_path / "x.npz", None, None)
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 40)
    for name in ("x.safetensors", "none.npz"):
        done = run("import", name, "y.npz", cwd=tmp_path)
        assert done.code == 1 and done.err.count("\n") == 1 and not (tmp_path / "y.npz").exists()


def test_an_existing_file_and_another_ending_are_refused(tmp_path: Path):
    save(tmp_path / "m.npz", model("lstm"))
    assert "neither .safetensors nor .onnx" in run("export", "m.npz", "m.pt", cwd=tmp_path).err
    (tmp_path / "x.onnx").touch()
    done = run("export", "m.npz", "x.onnx", cwd=tmp_path)
    assert done.code == 2 and "choose another name, or add --force" in done.err
    assert not (tmp_path / "x.onnx").read_bytes()
