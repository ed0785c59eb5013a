"""What the processor compiled for has: vectors, products of bfloat16, a matrix unit."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numba
from numba.core.codegen import get_host_cpu_features

CONFIG: Any = numba.config


def features() -> list[str]:
    """By LLVM's names."""
    chosen = CONFIG.CPU_FEATURES
    found: list[str] = (get_host_cpu_features() if chosen is None else chosen).split(",")
    return found


def machine() -> tuple[int, int, int]:
    """(bytes in a vector, rows of a tile, vectors of a tile).

    Rows x vectors accumulators, the vectors of B and a broadcast must fit the registers:
    32 with AVX-512 and NEON, 16 with AVX2 and SSE.
    """
    there = features()
    if "+avx512f" in there:
        return 64, 8, 2
    if "+avx2" in there:
        return 32, 4, 3
    return (16, 8, 2) if "+neon" in there else (16, 4, 2)


def matrix_unit() -> bool:
    """Whether there is AMX for bfloat16, and Linux lets this process and its threads use it.

    Source: Documentation/arch/x86/xstate.rst of Linux: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA),
    since registers of 8 KiB are kept only for those who ask.
    """
    if not {"+avx512bf16", "+amx-tile", "+amx-bf16"} <= {*features()} or sys.platform != "linux":
        return False
    refused: int = ctypes.CDLL(None).syscall(158, 0x1023, 18)
    return refused == 0


VECTOR_BYTES, ROWS, VECTORS = machine()
HAS_BFLOAT16 = {"+avx512f", "+avx512bf16"} <= {*features()}  # whether pairs can be multiplied here
HAS_AMX = HAS_BFLOAT16 and matrix_unit()
