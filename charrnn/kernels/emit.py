"""LLVM building blocks shared by several instructions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

INT = ir.IntType(32)


def llvm(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Return one of LLVM's intrinsic functions."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def fused(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x y + z, rounded once; three numbers or vectors of one type."""
    return builder.call(llvm(builder, f"llvm.fma.{suffix(z.type)}", z.type, [z.type] * 3), [x, y, z])


def broadcast(builder: Any, value: Any, vector: Any) -> Any:
    """Return a vector whose elements all equal `value`."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(INT, 0))
    zeros = ir.Constant(ir.VectorType(INT, vector.count), None)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def bytes_of(scalar: Any) -> int:
    """Return the size of an LLVM float or double in bytes."""
    return 4 if isinstance(scalar, ir.FloatType) else 8


def suffix(of: Any) -> str:
    """Return LLVM's name for a type of number or vector: f64, v16f32."""
    if isinstance(of, ir.VectorType):
        return f"v{of.count}{suffix(of.element)}"
    return f"f{bytes_of(of) * 8}"
