"""Sums over a vector, and its largest element, in a fixed order: the same bits on every processor.

A sum that the compiler may reorder uses as many lanes as the processor's vectors have. These functions
always use 16: lane i adds up x[i], x[i + 16], x[i + 32], ...; then lanes i and i + 8 are added, then i and
i + 4, and so on.  Vectors have adjacent elements.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from .emit import INT, broadcast, fused, llvm, suffix
from .jit import instruction

LANES = 16
MASK = ir.VectorType(ir.IntType(1), LANES)


@instruction
def total(context: Any, x: Any) -> Any:
    """Return the sum of a vector."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fold(builder, [_view(context, builder, x, args[0])], None, _add, _add)

    return x.dtype(x), codegen


@instruction
def dot(context: Any, x: Any, y: Any) -> Any:
    """Return the dot product of two vectors of one type and size, with fused multiply-adds."""
    if x.dtype != y.dtype:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        views = [_view(context, builder, t, v) for t, v in ((x, args[0]), (y, args[1]))]
        return _fold(builder, views, None, _multiply_add, _add)

    return x.dtype(x, y), codegen


@instruction
def squares(context: Any, x: Any) -> Any:
    """Return the sum of squares of a vector in float64, which neither overflows nor loses small terms."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def add(builder: Any, acc: Any, v: Any) -> Any:
            wide = v if v.type == acc.type else builder.fpext(v, acc.type)
            return _multiply_add(builder, acc, wide, wide)

        return _fold(builder, [_view(context, builder, x, args[0])], ir.DoubleType(), add, _add)

    return types.float64(x), codegen


@instruction
def largest(context: Any, x: Any) -> Any:
    """Return the largest element of a non-empty vector; NaN if the first is NaN; other NaNs are ignored."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = _view(context, builder, x, args[0])
        return _fold(builder, [view], None, _larger, _larger, builder.load(view.data))

    return x.dtype(x), codegen


def _view(context: Any, builder: Any, of: Any, value: Any) -> Any:
    return context.make_array(of)(context, builder, value)


def _add(builder: Any, acc: Any, v: Any) -> Any:
    return builder.fadd(acc, v)


def _larger(builder: Any, acc: Any, v: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", v, acc), v, acc)


def _multiply_add(builder: Any, acc: Any, x: Any, y: Any) -> Any:
    return fused(builder, x, y, acc)


def _fold(builder: Any, views: list[Any], number: Any, take: Any, merge: Any, first: Any = None) -> Any:
    """Repeat acc = take(builder, acc, next 16 of each view), then merge the lanes.

    number: type of the accumulators, by default that of the vectors.  first: initial value of each lane, also
    used for elements beyond the end; 0 by default.
    """
    element = views[0].data.type.pointee
    lanes = ir.VectorType(number or element, LANES)
    beyond = ir.Constant(ir.VectorType(element, LANES), None)
    start = ir.Constant(lanes, None)
    if first is not None:
        start = beyond = broadcast(builder, first, lanes)
    (size,) = cgutils.unpack_tuple(builder, views[0].shape, 1)
    step, before = ir.Constant(size.type, LANES), builder.block
    head, body, last = (builder.append_basic_block(f"fold.{name}") for name in ("head", "body", "last"))
    builder.branch(head)

    builder.position_at_end(head)
    k, acc = builder.phi(size.type), builder.phi(lanes)
    k.add_incoming(ir.Constant(size.type, 0), before)
    acc.add_incoming(start, before)
    following = builder.add(k, step)
    builder.cbranch(builder.icmp_signed("<=", following, size), body, last)

    builder.position_at_end(body)
    whole = [builder.load(_at(builder, view, k, beyond.type), align=4) for view in views]
    k.add_incoming(following, body)
    acc.add_incoming(take(builder, acc, *whole), body)
    builder.branch(head)

    builder.position_at_end(last)
    numbers = ir.Constant(ir.VectorType(size.type, LANES), list(range(LANES)))
    there = builder.icmp_signed("<", numbers, broadcast(builder, builder.sub(size, k), numbers.type))
    acc = take(
        builder, acc, *(_masked(builder, _at(builder, view, k, beyond.type), there, beyond) for view in views)
    )
    half = LANES // 2
    while half:
        picks = ir.Constant(ir.VectorType(INT, half), list(range(half, 2 * half)))
        rest = ir.Constant(ir.VectorType(INT, half), list(range(half)))
        upper, lower = (builder.shuffle_vector(acc, acc, each) for each in (picks, rest))
        acc = merge(builder, lower, upper)
        half //= 2
    return builder.extract_element(acc, ir.Constant(INT, 0))


def _at(builder: Any, view: Any, k: Any, vector: Any) -> Any:
    return builder.bitcast(builder.gep(view.data, [k]), vector.as_pointer())


def _masked(builder: Any, at: Any, mask: Any, beyond: Any) -> Any:
    name = f"llvm.masked.load.{suffix(beyond.type)}.p0"
    load = llvm(builder, name, beyond.type, [at.type, INT, MASK, beyond.type])
    return builder.call(load, [at, ir.Constant(INT, 4), mask, beyond])
