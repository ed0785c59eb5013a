"""Compute a tile of C = A B that stays in registers while k runs.

    for k:  b[0..NV) = panel[k]                      NV vector loads
            for m:  acc[m, 0..NV) += A[m, k] * b     one broadcast, NV multiply-adds

Cost: 2 M N K flops. With 8 x 2 vectors, a step in k issues 16 multiply-adds for 2 + 8 loads, so the
multipliers are the limit, not the loads. The compiler does not vectorize this by itself, hence the intrinsic.

A *product* defines the type of the elements and how to multiply them: floats, or bfloat16 pairs along k.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from .emit import INT, broadcast, bytes_of, fused, llvm, suffix
from .jit import instruction
from .processor import ROWS, VECTOR_BYTES, VECTORS


class BFloat(ir.Type):  # type: ignore[misc]
    """LLVM's type bfloat, which llvmlite lacks."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


class FloatProduct:
    """Multiply floats; each element of C is one chain of fused multiply-adds over k."""

    def __init__(self, element: Any, lanes: int):
        self.sum = self.factor = ir.VectorType(element, lanes)

    def multiply_add(self, builder: Any, a: Any, b: Any, acc: Any) -> Any:
        return fused(builder, a, b, acc)


class PairProduct:
    """Multiply bfloat16 pairs with float32 sums: acc + a[0] b[0] + a[1] b[1]; denormals count as 0."""

    def __init__(self, lanes: int):
        self.sum, self.factor = ir.VectorType(ir.FloatType(), lanes), ir.VectorType(INT, lanes)

    def multiply_add(self, builder: Any, a: Any, b: Any, acc: Any) -> Any:
        pairs = ir.VectorType(BFloat(), 2 * self.sum.count)
        dot = llvm(builder, "llvm.x86.avx512bf16.dpbf16ps.512", self.sum, [self.sum, pairs, pairs])
        return builder.call(dot, [acc, builder.bitcast(a, pairs), builder.bitcast(b, pairs)])


@instruction
def tile(context: Any, a: Any, panels: Any, c: Any, row: Any, column: Any, accumulate: Any) -> Any:
    """Compute one tile of C from [row, column], as large as fits, and return its number of rows.

    a and panels have the float type of c, or they are uint32 pairs of bfloat16 and c is float32.
    """
    signature = types.intp(a, panels, c, types.intp, types.intp, types.boolean)
    element = c.dtype
    pairs = a.dtype == panels.dtype == types.uint32 and element == types.float32
    if not (pairs or (a.dtype == panels.dtype == element and isinstance(element, types.Float))):
        return None
    lanes = VECTOR_BYTES * 8 // element.bitwidth

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        views = [
            context.make_array(t)(context, builder, v)
            for t, v in zip(signature.args[:3], args[:3], strict=True)
        ]
        product = PairProduct(lanes) if pairs else FloatProduct(views[2].data.type.pointee, lanes)
        return _emit(builder, product, views, args[3], args[4], args[5], a.layout == "C")

    return signature, codegen


def _emit(
    builder: Any, product: Any, views: list[Any], row: Any, column: Any, accumulate: Any, a_is_c: bool
) -> Any:
    """Choose at run time between loops unrolled for ROWS, ROWS/2, .. 1 rows and VECTORS .. 1 vectors."""
    a, panels, c = views
    lanes = product.sum.count
    size = ir.Constant(row.type, bytes_of(product.sum.element))
    m, depth = cgutils.unpack_tuple(builder, a.shape, 2)
    columns = cgutils.unpack_tuple(builder, c.shape, 2)[1]
    strides = [builder.sdiv(s, size) for s in cgutils.unpack_tuple(builder, a.strides, 2)]
    if a_is_c:
        strides[1] = ir.Constant(row.type, 1)
    c_stride = builder.sdiv(cgutils.unpack_tuple(builder, c.strides, 2)[0], size)
    a_at = builder.gep(a.data, [builder.mul(row, strides[0])])
    c_at = builder.gep(c.data, [builder.add(builder.mul(row, c_stride), column)])
    panel_at = builder.gep(panels.data, [builder.mul(column, depth)])
    rows_left, columns_left = builder.sub(m, row), builder.sub(columns, column)

    done = builder.append_basic_block("tile.done")
    chosen = []
    for vectors in range(VECTORS, 0, -1):
        for rows in (ROWS >> halvings for halvings in range(ROWS.bit_length())):
            fits = builder.and_(
                builder.icmp_signed(">=", rows_left, ir.Constant(row.type, rows)),
                builder.icmp_signed(">", columns_left, ir.Constant(row.type, (vectors - 1) * lanes)),
            )
            with builder.if_then(fits):
                acc = _accumulate(builder, product, a_at, strides, panel_at, depth, rows, vectors)
                _store(builder, acc, c_at, c_stride, columns_left, accumulate)
                chosen.append((ir.Constant(row.type, rows), builder.block))
                builder.branch(done)
                builder.position_at_end(builder.append_basic_block())  # never reached
    builder.unreachable()
    builder.position_at_end(done)
    rows_done = builder.phi(row.type)
    for value, block in chosen:
        rows_done.add_incoming(value, block)
    return rows_done


def _accumulate(
    builder: Any,
    product: Any,
    a_at: Any,
    strides: list[Any],
    panel_at: Any,
    depth: Any,
    rows: int,
    vectors: int,
) -> list[list[Any]]:
    """Emit the loop over k; return the accumulators [rows][vectors], which are values, not memory."""
    index, align, lanes = depth.type, bytes_of(product.sum.element), product.sum.count
    before = builder.block
    head, body, exit_ = (builder.append_basic_block(f"k.{n}") for n in ("head", "body", "exit"))
    builder.branch(head)

    builder.position_at_end(head)
    k = builder.phi(index)
    acc = [[builder.phi(product.sum) for _ in range(vectors)] for _ in range(rows)]
    builder.cbranch(builder.icmp_signed("<", k, depth), body, exit_)

    builder.position_at_end(body)
    panel_k = builder.gep(panel_at, [builder.mul(k, ir.Constant(index, vectors * lanes))])
    pointer = product.factor.as_pointer()
    b = [
        builder.load(
            builder.bitcast(builder.gep(panel_k, [ir.Constant(index, v * lanes)]), pointer), align=align
        )
        for v in range(vectors)
    ]
    a_k = builder.gep(a_at, [builder.mul(k, strides[1])])
    k.add_incoming(ir.Constant(index, 0), before)
    k.add_incoming(builder.add(k, ir.Constant(index, 1)), body)
    for m in range(rows):
        at = builder.gep(a_k, [builder.mul(ir.Constant(index, m), strides[0])])
        a_mk = broadcast(builder, builder.load(at, align=align), product.factor)
        for v in range(vectors):
            acc[m][v].add_incoming(ir.Constant(product.sum, None), before)
            acc[m][v].add_incoming(product.multiply_add(builder, a_mk, b[v], acc[m][v]), body)
    builder.branch(head)
    builder.position_at_end(exit_)
    return acc


def _store(
    builder: Any, acc: list[list[Any]], c_at: Any, c_stride: Any, columns_left: Any, accumulate: Any
) -> None:
    """Emit C = acc or C += acc, without touching memory beyond the last column."""
    vector = acc[0][0].type
    lanes = vector.count
    align = ir.Constant(INT, bytes_of(vector.element))
    pointer = vector.as_pointer()
    mask_type = ir.VectorType(ir.IntType(1), lanes)
    index = c_stride.type
    load = llvm(
        builder,
        f"llvm.masked.load.{suffix(vector)}.p0",
        vector,
        [pointer, align.type, mask_type, vector],
    )
    store = llvm(
        builder,
        f"llvm.masked.store.{suffix(vector)}.p0",
        ir.VoidType(),
        [vector, pointer, align.type, mask_type],
    )
    lane_numbers = ir.Constant(ir.VectorType(index, lanes), list(range(lanes)))
    for v in range(len(acc[0])):
        left = builder.sub(columns_left, ir.Constant(index, v * lanes))
        inside = builder.icmp_signed("<", lane_numbers, broadcast(builder, left, lane_numbers.type))
        wanted = builder.and_(inside, broadcast(builder, accumulate, mask_type))
        for m in range(len(acc)):
            at = builder.gep(c_at, [builder.mul(ir.Constant(index, m), c_stride)])
            at = builder.bitcast(builder.gep(at, [ir.Constant(index, v * lanes)]), pointer)
            old = builder.call(load, [at, align, wanted, ir.Constant(vector, None)])
            builder.call(store, [builder.fadd(old, acc[m][v]), at, align, inside])
