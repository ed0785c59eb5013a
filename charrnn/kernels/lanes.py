"""Sixteen-word vector steps for making bfloat16 pairs, which the compiler does not vectorize by itself.

Numba cannot state that rows do not overlap, and rows of a panel are too short for a check at run time. Plain
loops take 0.8 ns per number, these 0.1 ns (Intel Xeon with AMX, one core).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from .jit import instruction

LANES = 16
FLOATS = ir.VectorType(ir.FloatType(), LANES)
BYTE, WORD = ir.IntType(8), ir.IntType(32)
WORDS = ir.VectorType(WORD, LANES)


@instruction
def pair_lanes(context: Any, low: Any, high: Any, out: Any) -> Any:
    """out[i] = `bfloat16.pair` of low[i] and high[i], for the first 16: float32, float32, uint32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lows, highs = (
            _load(builder, _start(context, builder, t, v), FLOATS)
            for t, v in zip(signature.args[:2], args[:2], strict=True)
        )
        _store(builder, _paired(builder, lows, highs), _start(context, builder, out, args[2]))
        return context.get_dummy_value()

    return types.void(low, high, out), codegen


@instruction
def pair_neighbours(context: Any, row: Any, out: Any) -> Any:
    """out[i] = `bfloat16.pair` of row[2i] and row[2i + 1], for the first 16: adjacent float32, uint32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = _start(context, builder, row, args[0])
        halves = [_load(builder, builder.gep(start, [ir.Constant(WORD, 4 * n)]), FLOATS) for n in (0, LANES)]
        lows, highs = (
            builder.shuffle_vector(*halves, ir.Constant(WORDS, [2 * i + odd for i in range(LANES)]))
            for odd in (0, 1)
        )
        _store(builder, _paired(builder, lows, highs), _start(context, builder, out, args[1]))
        return context.get_dummy_value()

    return types.void(row, out), codegen


def _paired(builder: Any, lows: Any, highs: Any) -> Any:
    lower = builder.lshr(_rounded(builder, lows), _all(16))
    return builder.or_(lower, builder.and_(_rounded(builder, highs), _all(0xFFFF0000)))


def _rounded(builder: Any, floats: Any) -> Any:
    """Do `bfloat16.rounded` on a vector; only the upper halves matter."""
    bits = builder.bitcast(floats, WORDS)
    even = builder.and_(builder.lshr(bits, _all(16)), _all(1))
    up = builder.add(bits, builder.add(even, _all(0x7FFF)))
    quiet = builder.or_(bits, _all(0x400000))
    return builder.select(builder.fcmp_unordered("uno", floats, floats), quiet, up)


@instruction
def turn_lanes(context: Any, rows: Any, out: Any) -> Any:
    """out[j, i] = rows[i, j], for i and j below 16; arrays of uint32 with adjacent columns."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lines = [_load(builder, p, WORDS) for p in _rows(context, builder, rows, args[0])]
        for halvings in range(LANES.bit_length() - 1):  # exchange blocks of 8 x 8, 4 x 4, 2 x 2, 1 x 1
            half = LANES >> (halvings + 1)
            first = [j if j % (2 * half) < half else j - half + LANES for j in range(LANES)]
            second = [j + half for j in first]
            for i in (i for i in range(LANES) if i % (2 * half) < half):
                pair = lines[i], lines[i + half]
                lines[i], lines[i + half] = (
                    builder.shuffle_vector(*pair, ir.Constant(WORDS, picks)) for picks in (first, second)
                )
        for line, p in zip(lines, _rows(context, builder, out, args[1]), strict=True):
            _store(builder, line, p)
        return context.get_dummy_value()

    return types.void(rows, out), codegen


def _all(word: int) -> Any:
    return ir.Constant(WORDS, [word] * LANES)


def _start(context: Any, builder: Any, of: Any, value: Any) -> Any:
    """Return the address of an array's first element."""
    return builder.bitcast(context.make_array(of)(context, builder, value).data, BYTE.as_pointer())


def _rows(context: Any, builder: Any, of: Any, value: Any) -> list[Any]:
    """Return the addresses of an array's first 16 rows."""
    array = context.make_array(of)(context, builder, value)
    stride = cgutils.unpack_tuple(builder, array.strides, 2)[0]
    offsets = [builder.mul(stride, ir.Constant(stride.type, i)) for i in range(LANES)]
    return [builder.gep(_start(context, builder, of, value), [offset]) for offset in offsets]


def _load(builder: Any, at: Any, vector: Any) -> Any:
    return builder.load(builder.bitcast(at, vector.as_pointer()), align=4)


def _store(builder: Any, vector: Any, at: Any) -> None:
    builder.store(vector, builder.bitcast(at, vector.type.as_pointer()), align=4)
