"""Products of bfloat16: rounded as numbers are rounded, added up in float32, and no part of float32's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import support
from program import Outcome, run

from charrnn.array_types import Array
from charrnn.checkpoint.checkpoint import Checkpoint
from charrnn.checkpoint.writing import save
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import UsageError
from charrnn.kernels.bfloat16 import (
    depth_of,
    pair_columns,
    pair_columns_turned,
    pair_rows,
    pair_rows_turned,
    rounded,
)
from charrnn.kernels.jit import jit
from charrnn.kernels.matmul import matmul, pack, packed_size, rows_of, transposed
from charrnn.kernels.processor import HAS_AMX, HAS_BFLOAT16, features
from charrnn.model.network import Network
from charrnn.model.shard import Shard
from charrnn.text.corpus import from_text
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.plan import Plan
from charrnn.training.trainer import Trainer

HERE = pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor cannot multiply bfloat16 (no AVX512-BF16)")
# a processor that has none, as Numba is told
LESSER = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma",
}
X86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="needs an x86 processor to run x86 code")


def nearest(x: Array) -> Array:
    """Float32 rounded to bfloat16, by the definition: the nearer of the two beside it, or the even one."""
    bits = x.view(np.uint32)
    low, high = ((bits >> 16) << 16), ((bits >> 16) + 1) << 16
    down, up = low.view(np.float32).astype(np.float64), high.view(np.float32).astype(np.float64)
    up = np.where(
        np.isinf(up), np.copysign(2.0**128, x.astype(np.float64)), up
    )  # as if the exponent had no end
    exact = x.astype(np.float64)
    below, above = np.abs(exact - down), np.abs(up - exact)
    even = (low >> 16) % 2 == 0
    return np.where((below < above) | ((below == above) & even), low, high).view(np.float32)


@jit
def round_all(x, out):
    for k in range(x.size):
        out[k] = rounded(x[k])


def test_numbers_are_rounded_to_the_nearest_and_ties_to_even():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 300_000, np.uint32)
    halves = (rng.integers(0, 1 << 16, 3000, np.uint32) << 16) | np.uint32(0x8000)
    edges = np.array([0, 1, 0x8000, 0x7F7FFFFF, 0x7F7F8000, 0x7F7F7FFF, 0x80000000], np.uint32)
    x = np.concatenate([bits, halves, halves + 1, halves - 1, edges]).view(np.float32)
    x = x[np.isfinite(x)]
    out = np.zeros(x.size, np.uint32)
    round_all(x, out)
    np.testing.assert_array_equal(out.view(np.float32), nearest(x))


def test_what_is_no_number_stays_none():
    x = np.array([0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF, 0xFF800001, 0x7F800000], np.uint32)
    out = np.zeros(x.size, np.uint32)
    round_all(x.view(np.float32), out)
    assert np.isnan(out.view(np.float32)[:5]).all() and out[5] == 0x7F800000


@pytest.mark.parametrize("rows, columns", [(1, 1), (2, 3), (5, 8), (17, 33), (4, 64), (50, 71)])
def test_pairs_stand_one_behind_the_other_along_k(rows, columns):
    """By rows and by columns, as they are and turned, whole sixteens and what is left of them."""
    a = np.random.default_rng(rows).standard_normal((rows, columns)).astype(np.float32)
    a.flat[:: 3 * columns + 1], a.flat[1 :: 2 * columns + 1] = np.nan, 1e-40
    padded = np.pad(_halves(a), ((0, 0), (0, 2 * depth_of(columns) - columns)))
    pairs = padded[:, ::2] | padded[:, 1::2] << np.uint32(16)
    a_turned = np.ascontiguousarray(a.T)
    for fill, given, expected in (
        (pair_columns, a, pairs),
        (pair_columns_turned, a, pairs.T),
        (pair_rows, a_turned, pairs.T),
        (pair_rows_turned, a_turned, pairs),
    ):
        out = np.full(expected.shape, 7, np.uint32)
        fill(given, out)
        np.testing.assert_array_equal(out, expected)


def _halves(a: Array) -> Array:
    """The upper halves of float32 rounded, by the definition; NaN as a quiet one."""
    bits = nearest(np.where(np.isnan(a), 0, a).astype(np.float32)).view(np.uint32) >> 16
    return np.where(np.isnan(a), 0x7FC0, bits).astype(np.uint32)


@jit
def product(a, b, panels, pairs, c, turned, accumulate):
    pack(b, panels)
    if turned:
        matmul(transposed(a, pairs), panels, c, accumulate)
    else:
        matmul(rows_of(a, pairs), panels, c, accumulate)


SIZES = [
    (1, 1, 1),
    (8, 16, 32),
    (3, 7, 5),
    (16, 255, 65),
    (17, 33, 49),
    (9, 100, 31),
    (40, 3, 1),
    (5, 64, 130),
    (70, 130, 100),
]


@HERE
@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("of_columns", [True, False])
@pytest.mark.parametrize("m, k, n", SIZES)
def test_the_product_is_that_of_rounded_numbers(m, k, n, of_columns, turned, accumulate):
    """Against float64 sums of the rounded operands: float32 sums of K terms differ by K roundings at most."""
    rng = np.random.default_rng([m, k, n])
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
    c = rng.standard_normal((m, n)).astype(np.float32)
    exact = nearest(a).astype(np.float64) @ nearest(b).astype(np.float64) + (c if accumulate else 0)
    bound = np.abs(nearest(a)).astype(np.float64) @ np.abs(nearest(b)) + np.abs(c)
    panels, pairs = (np.zeros(size, np.uint32) for size in (packed_size(k, n, 4, True), m * depth_of(k)))
    given = np.ascontiguousarray(a.T) if turned else a
    kept = np.asfortranarray(b) if of_columns else b
    product(given, kept, panels, pairs, c, turned, accumulate)
    assert (np.abs(c - exact) <= (k + 2) * 2.0**-23 * bound).all()


@pytest.mark.skipif(not HAS_AMX, reason="no matrix unit (AMX): products by vectors are what is tested above")
def test_the_product_by_vectors_where_there_is_a_matrix_unit():
    """This file's tests of products, in a process that is told that there is none."""
    lesser = [name for name in features() if "amx" not in name]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-k", "the_product_is_that", __file__],
        env=os.environ | {"NUMBA_CPU_FEATURES": ",".join(lesser)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{8 * len(SIZES)} passed" in done.stdout


CONFIGS = [{}, {"num_layers": 2, "embed_size": 7, "attention": 5, "dropout": 0.2}]


@HERE
@pytest.mark.parametrize("cell, config", [("rnn", CONFIGS[0]), ("lstm", CONFIGS[0]), ("gru", CONFIGS[1])])
def test_gradients_point_where_those_of_float32_do(cell, config):
    losses, grads = [], []
    for dtype in ("float32", "bfloat16"):
        net = Network(ModelConfig(cell, 33, **{"dropout": 0.0, **config}, dtype=dtype), 31, seed=1)
        net.pack()
        shard, grad = Shard(net, 16, 19, dropout=True), np.zeros_like(net.flat)
        inputs, targets = support.chunk(31, 16, 19)
        losses.append(shard.gradient(inputs, targets, grad, net.layout.views(grad), 1 / inputs.size, 5))
        grads.append(grad.astype(np.float64))
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=1e-3)
    exact, rough = grads
    assert exact @ rough > 0.9999 * np.linalg.norm(exact) * np.linalg.norm(rough)
    assert np.abs(rough - exact).max() < 0.02 * np.abs(exact).max()


@HERE
def test_weights_are_read_as_half_as_many_bytes_and_all_else_is_float32():
    half, full = (Network(ModelConfig("lstm", 32, dtype=t), 9) for t in ("bfloat16", "float32"))
    assert half.flat.dtype == np.float32 and half.panels.recurrent.dtype == np.uint32
    assert 2 * half.panels.recurrent.nbytes == full.panels.recurrent.nbytes
    work = Shard(half, 2, 3).work(3)
    assert {work.a.dtype, work.s.dtype, work.logits.dtype} == {np.dtype(np.float32)}


def trained(text: str, path: Path, threads: int, steps: int) -> Trainer:
    model = ModelConfig("gru", 24, num_layers=2, dropout=0.2, attention=4, dtype="bfloat16")
    options = {"batch_size": 40, "seq_len": 16, "max_steps": steps, "teacher_forcing": 0.8}
    return Trainer(Plan.of(from_text(text), model, TrainConfig(**options, threads=threads)).of_rank(), path)


@HERE
def test_the_same_bits_on_any_number_of_threads_and_after_a_stop(fables, tmp_path):
    flats = []
    for threads in (1, 2, 3):
        run_ = trained(fables[:4000], tmp_path / f"{threads}.npz", threads, 12)
        list(run_.run())
        flats.append(run_.network.flat.copy())
    stopped = trained(fables[:4000], tmp_path / "m.npz", 1, 12)
    for event in stopped.run():
        if getattr(event, "step", 0) == 5:
            stopped.stop()
    resumed = trained(fables[:4000], tmp_path / "m.npz", 2, 12)
    resumed.resume()
    list(resumed.run())
    for flat in (*flats[1:], resumed.network.flat):
        np.testing.assert_array_equal(flat, flats[0])


# the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    for dtype in ("float32", "bfloat16"):
        net = support.network("gru", 27, 12, dtype=dtype)
        letters = Vocabulary.of("abcdefghijklmnopqrstuvwxyz\n")
        save(tmp_path / f"{dtype}.npz", Checkpoint(net, letters, {}))
    return tmp_path


def lesser(*arguments: object, cwd: Path) -> Outcome:
    return run(*arguments, cwd=cwd, **LESSER)


SMALL = ["--hidden-size", 12, "--seq-len", 16, "--batch-size", 4, "--max-steps", 6]


@X86
def test_where_there_is_no_such_product_a_run_is_refused_before_anything_is_read(folder):
    refused = lesser("train", "no such text", "--dtype", "bfloat16", *SMALL, cwd=folder)
    assert refused.code == 1 and refused.err.count("\n") == 1
    assert "cannot multiply bfloat16" in refused.err and "--dtype float32" in refused.err


@X86
def test_where_there_is_no_such_product_a_model_is_of_use_in_float32(folder):
    """The same text and scores as of the same weights in float32, and a note."""
    for command in (["sample", "--seed", 1, "--length", 50], ["eval", "--json"]):
        texts = ["text.txt", "--unknown", "skip"] if command[0] == "eval" else []
        half, full = (
            lesser(command[0], f"{t}.npz", *texts, *command[1:], cwd=folder) for t in ("bfloat16", "float32")
        )
        assert half.code == full.code == 0, half.err
        assert half.out == full.out
        assert "computing with float32" in half.err and "computing with float32" not in full.err


@HERE
def test_a_model_of_one_type_is_sampled_scored_and_fine_tuned_in_the_other(folder):
    def figures(*more: object) -> bytes:
        done = run("eval", *more, "text.txt", "--unknown", "skip", "--json", cwd=folder)
        assert done.code == 0, done.err
        return done.out

    assert figures("float32.npz", "--dtype", "bfloat16") == figures("bfloat16.npz")
    assert figures("bfloat16.npz", "--dtype", "float32") == figures("float32.npz") != figures("bfloat16.npz")
    for start, dtype in (("float32", "bfloat16"), ("bfloat16", "float32")):
        options = ["--init-from", f"{start}.npz", "--dtype", dtype, "--max-steps", 3, "--out", f"{dtype}-2"]
        done = run("train", "text.txt", *options, cwd=folder)
        assert done.code == 0, done.err
        assert f"dtype                 {dtype}" in run("info", f"{dtype}-2.npz", cwd=folder).out.decode()


def test_types_that_store_other_weights_are_refused(folder):
    network = support.network("gru", 27, 12, dtype="float64")
    with pytest.raises(UsageError, match="dtype is float32, but the weights are float64"):
        Checkpoint(network, Vocabulary.of("a"), {}).multiplied_in("float32")
    done = run("train", "text.txt", "--init-from", "float32.npz", "--dtype", "float64", cwd=folder)
    assert done.code == 2 and "--dtype is float64, but the model's parameters are float32" in done.err
    done = run("gradcheck", "--dtype", "bfloat16", cwd=folder)
    assert done.code == 2 and "choose one of: float32, float64" in done.err
