"""The machine code: full vectors in the hot loops, float32 all through, and other machines' instructions."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from charrnn import cells
from charrnn.kernels import activations, attention, dropout, optimizers, reduction, tile
from charrnn.kernels import matmul as products

X86 = platform.machine().lower() in ("x86_64", "amd64")
REGISTER = {64: "zmm", 32: "ymm", 16: "xmm"}[tile.VECTOR_BYTES]
MACHINES = {
    "avx2": ("haswell", "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma"),
    "sse2": ("x86-64", "+sse,+sse2"),  # fused multiply-adds are calls
}


def compiled(kernel, *arguments):
    """The kernel compiled anew: Numba shows no code of a kernel that came from its cache."""
    fresh = numba.njit(error_model="numpy")(kernel.py_func)
    fresh(*arguments)
    return fresh


def machine_code(kernel, *arguments) -> str:
    fresh = compiled(kernel, *arguments)
    return fresh.inspect_asm(fresh.signatures[0])


@pytest.mark.skipif(not X86, reason="reads the names of x86 instructions")
def test_the_tile_multiplies_full_vectors():
    a = np.ones((8, 4), np.float32)
    panels, c = np.ones(products.packed_size(4, 64, 4), np.float32), np.zeros((8, 64), np.float32)
    code = machine_code(products.matmul, a, panels, c, True)
    multiplications = re.findall(rf"v?(?:fmadd\d+|mul)ps\s.*%{REGISTER}", code)
    assert len(multiplications) >= tile.ROWS * tile.VECTORS


@pytest.mark.skipif(not X86, reason="reads the names of x86 instructions")
@pytest.mark.parametrize("kernel", [activations.sigmoid, activations.tanh])
def test_activations_divide_vectors_not_scalars(kernel):
    assert re.search(r"divps\s.*%[xyz]mm", machine_code(kernel, np.ones(100, np.float32)))


@pytest.mark.skipif(not X86, reason="reads the names of x86 instructions")
def test_adam_takes_roots_of_vectors():
    vectors = [np.ones(100, np.float32) for _ in range(2)]
    code = machine_code(optimizers.adam, *vectors, np.ones((2, 100), np.float32), 0.1, 1, 0.0)
    assert re.search(r"sqrtps\s.*%[xyz]mm", code)


@pytest.mark.parametrize("cell", cells.names())
def test_cells_stay_in_float32(cell):
    file = cells.find(cell)
    a, s, ds = (np.zeros((blocks, 2, 8), np.float32) for blocks in (5, 2, 2))
    assert "fpext" not in llvm(file.forward, a, s, 0)
    assert "fpext" not in llvm(file.backward, a, s, 0, ds[:, 0].copy())


def test_other_hot_loops_stay_in_float32():
    x, ids, fresh = np.zeros((4, 8), np.float32), np.zeros(4, np.int32), np.zeros(4, np.uint8)
    assert "fpext" not in llvm(activations.softmax_cross_entropy_backward, x, ids, 0.5)
    assert "fpext" not in llvm(dropout.dropout, x, x, 0.5, np.uint64(1))
    assert "fpext" not in llvm(attention._softmax, x, np.float32(0.5), x[0], 1, fresh)
    assert "fpext" not in llvm(attention._softmax_backward, x, x, np.float32(0.5), x[0], 1, fresh)
    assert "fpext" not in llvm(optimizers.adam, x[0], x[1], x, 0.1, 1, 0.0)
    assert "fpext" not in llvm(reduction.add_shards, x, reduction.tree(4), 0, 8)


def test_a_sum_in_float64_does_widen():
    """The word looked for above is the one that LLVM uses."""
    assert "fpext" in llvm(reduction.sum_of_squares, np.zeros(8, np.float32), 0, 8)


def llvm(kernel, *arguments) -> str:
    fresh = compiled(kernel, *arguments)
    return fresh.inspect_llvm(fresh.signatures[0])


@pytest.mark.skipif(not X86, reason="needs an x86 processor to run x86 code")
def test_kernels_are_right_without_vectors_of_avx_and_fused_instructions():
    """With AVX2, equal digests (test_bits.py) say it."""
    name, features = MACHINES["sse2"]
    tests = Path(__file__).parent
    checks = ["test_matmul.py", "test_activations.py", "test_elementary.py", "test_sums.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "-k", "not live and not gru and not rnn"]
        + [str(tests / check) for check in checks],
        env=os.environ | {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features},
        capture_output=True,
        text=True,
        cwd=tests.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
