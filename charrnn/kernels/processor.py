"""Features of the target processor: vectors, bfloat16 products, a matrix unit."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numba
from numba.core.codegen import get_host_cpu_features

CONFIG: Any = numba.config


def features() -> list[str]:
    """Return the processor's features by their LLVM names."""
    chosen = CONFIG.CPU_FEATURES
    found: list[str] = (get_host_cpu_features() if chosen is None else chosen).split(",")
    return found


def machine() -> tuple[int, int, int]:
    """Return (bytes in a vector, rows of a tile, vectors of a tile).

    Rows x vectors accumulators, the vectors of B and one broadcast must fit into the registers: 32 with
    AVX-512 and NEON, 16 with AVX2 and SSE.
    """
    there = features()
    if "+avx512f" in there:
        return 64, 8, 2
    if "+avx2" in there:
        return 32, 4, 3
    return (16, 8, 2) if "+neon" in there else (16, 4, 2)


def matrix_unit() -> bool:
    """Return whether there is AMX for bfloat16, and Linux lets this process and its threads use it.

    Linux saves the 8 KiB of tile registers only for processes that request it, with
    arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).  Source: Linux, Documentation/arch/x86/xstate.rst.
    """
    if not {"+avx512bf16", "+amx-tile", "+amx-bf16"} <= {*features()} or sys.platform != "linux":
        return False
    refused: int = ctypes.CDLL(None).syscall(158, 0x1023, 18)
    return refused == 0


VECTOR_BYTES, ROWS, VECTORS = machine()
HAS_BFLOAT16 = {"+avx512f", "+avx512bf16"} <= {*features()}  # whether this processor multiplies pairs
HAS_AMX = HAS_BFLOAT16 and matrix_unit()
