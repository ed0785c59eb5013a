"""The matrix product: a tile of C is held in registers while k runs.  The only file that speaks LLVM.

    C (M, N) = A (M, K) @ B (K, N)    or    C += A @ B

B is first packed into *panels* of a few vectors' width, so that the inner loop reads it from
memory in order, and a panel serves all rows of A. A is read in place, by any strides, so the
same code multiplies by A and by its transpose. Inside the loop over k there is no traffic for C:

    for k:  b[0..NV) = panel[k]                      NV vector loads
            for m:  acc[m, 0..NV) += A[m, k] * b     one broadcast, NV fused multiply-adds

Cost: 2 M N K flops. At 8 x 2 vectors a step in k issues 16 multiply-adds for 2 + 8 loads, so
the multipliers are the limit, not the loads. Numba's vectoriser does not find this by itself,
hence the intrinsic; `matmul_plain` in the tests is the same in three loops.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from .jit import CONFIG, jit


def machine() -> tuple[int, int, int]:
    """(bytes in a vector, rows of a tile, vectors of a tile) for the processor compiled for.

    Rows x vectors accumulators, the vectors of B and a broadcast must fit the registers:
    32 with AVX-512 and NEON, 16 with AVX2 and SSE.
    """
    chosen = CONFIG.CPU_FEATURES
    features = (get_host_cpu_features() if chosen is None else chosen).split(",")
    if "+avx512f" in features:
        return 64, 8, 2
    if "+avx2" in features:
        return 32, 4, 3
    return (16, 8, 2) if "+neon" in features else (16, 4, 2)


VECTOR_BYTES, ROWS, VECTORS = machine()


@jit
def panel_width(itemsize):
    """Columns of a full panel, for elements of `itemsize` bytes."""
    return VECTORS * (VECTOR_BYTES // itemsize)


def packed_size(depth: int, columns: int, itemsize: int) -> int:
    """Elements that `pack` writes for a (depth, columns) matrix: columns are padded to whole vectors."""
    lanes = VECTOR_BYTES // itemsize
    return depth * -(-columns // lanes) * lanes


@jit
def pack(b, panels):
    """Write B (K, N), of any strides, to `panels` (packed_size,) in the order the tile reads it.

    Panel p holds columns [p W, (p+1) W) as K rows of W; the last panel is as many whole vectors wide
    as its columns need, padded with 0.
    """
    depth, columns = b.shape
    lanes = VECTOR_BYTES // b.itemsize
    full = panel_width(b.itemsize)
    for start in range(0, columns, full):
        used = min(full, columns - start)
        width = (used + lanes - 1) // lanes * lanes
        panel = panels[start * depth : (start + width) * depth]
        if b.strides[0] > b.strides[1]:
            for k in range(depth):
                row, target = b[k, start : start + used], panel[k * width : k * width + used]
                for j in range(used):
                    target[j] = row[j]
        else:
            for j in range(used):
                for k in range(depth):
                    panel[k * width + j] = b[k, start + j]
        for j in range(used, width):
            for k in range(depth):
                panel[k * width + j] = 0


@jit
def matmul(a, panels, c, accumulate):
    """c = a @ B, or c += a @ B, where `panels` is B (K, N) as packed by `pack`.

    Shapes: a (M, K) any strides; c (M, N) with adjacent columns, not overlapping a.
    Cost: 2 M N K flops; B is read once per ROWS rows, from the innermost cache it fits.
    """
    rows, columns = c.shape
    width = panel_width(c.itemsize)
    for column in range(0, columns, width):
        row = 0
        while row < rows:
            row += _tile(a, panels, c, row, column, accumulate)  # type: ignore[call-arg]


@intrinsic
def _tile(context: Any, a: Any, panels: Any, c: Any, row: Any, column: Any, accumulate: Any) -> Any:
    """One tile of C, from `row` and `column`, as large as fits; returns its number of rows."""
    signature = types.intp(a, panels, c, types.intp, types.intp, types.boolean)
    element = c.dtype
    if not (a.dtype == element and panels.dtype == element and isinstance(element, types.Float)):
        return None
    lanes = VECTOR_BYTES * 8 // element.bitwidth

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        views = [
            context.make_array(t)(context, builder, v)
            for t, v in zip(signature.args[:3], args[:3], strict=True)
        ]
        return _emit(builder, views, args[3], args[4], args[5], lanes, a.layout == "C")

    return signature, codegen


def _emit(
    builder: Any, views: list[Any], row: Any, column: Any, accumulate: Any, lanes: int, a_is_c: bool
) -> Any:
    """Choose, at run time, among loops written out for ROWS, ROWS/2, .. 1 rows and VECTORS .. 1 vectors."""
    a, panels, c = views
    scalar = panels.data.type.pointee
    size = ir.Constant(row.type, scalar_bytes(scalar))
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
                acc = _accumulate(builder, a_at, strides, panel_at, depth, rows, vectors, lanes)
                _store(builder, acc, c_at, c_stride, columns_left, accumulate, lanes)
                chosen.append((ir.Constant(row.type, rows), builder.block))
                builder.branch(done)
                builder.position_at_end(builder.append_basic_block())  # never reached
    builder.unreachable()
    builder.position_at_end(done)
    rows_done = builder.phi(row.type)
    for value, block in chosen:
        rows_done.add_incoming(value, block)
    return rows_done


def scalar_bytes(scalar: Any) -> int:
    """Bytes of an LLVM float or double."""
    return 4 if isinstance(scalar, ir.FloatType) else 8


def _accumulate(
    builder: Any,
    a_at: Any,
    strides: list[Any],
    panel_at: Any,
    depth: Any,
    rows: int,
    vectors: int,
    lanes: int,
) -> list[list[Any]]:
    """The loop over k; returns the accumulators [rows][vectors] as values, never as memory."""
    scalar = panel_at.type.pointee
    vector = ir.VectorType(scalar, lanes)
    index = depth.type
    align = scalar_bytes(scalar)
    fmuladd = _llvm(builder, f"llvm.fmuladd.{_suffix(vector)}", vector, [vector] * 3)
    before = builder.block
    head, body, exit_ = (builder.append_basic_block(f"k.{n}") for n in ("head", "body", "exit"))
    builder.branch(head)

    builder.position_at_end(head)
    k = builder.phi(index)
    acc = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
    builder.cbranch(builder.icmp_signed("<", k, depth), body, exit_)

    builder.position_at_end(body)
    panel_k = builder.gep(panel_at, [builder.mul(k, ir.Constant(index, vectors * lanes))])
    b = [
        builder.load(
            builder.bitcast(builder.gep(panel_k, [ir.Constant(index, v * lanes)]), vector.as_pointer()),
            align=align,
        )
        for v in range(vectors)
    ]
    a_k = builder.gep(a_at, [builder.mul(k, strides[1])])
    k.add_incoming(ir.Constant(index, 0), before)
    k.add_incoming(builder.add(k, ir.Constant(index, 1)), body)
    for m in range(rows):
        at = builder.gep(a_k, [builder.mul(ir.Constant(index, m), strides[0])])
        a_mk = _broadcast(builder, builder.load(at, align=align), vector)
        for v in range(vectors):
            acc[m][v].add_incoming(ir.Constant(vector, None), before)
            acc[m][v].add_incoming(builder.call(fmuladd, [a_mk, b[v], acc[m][v]]), body)
    builder.branch(head)
    builder.position_at_end(exit_)
    return acc


def _store(
    builder: Any,
    acc: list[list[Any]],
    c_at: Any,
    c_stride: Any,
    columns_left: Any,
    accumulate: Any,
    lanes: int,
) -> None:
    """C = acc or C += acc, leaving alone what lies beyond the last column."""
    vector = acc[0][0].type
    align = ir.Constant(ir.IntType(32), scalar_bytes(vector.element))
    pointer = vector.as_pointer()
    mask_type = ir.VectorType(ir.IntType(1), lanes)
    index = c_stride.type
    load = _llvm(
        builder,
        f"llvm.masked.load.{_suffix(vector)}.p0",
        vector,
        [pointer, align.type, mask_type, vector],
    )
    store = _llvm(
        builder,
        f"llvm.masked.store.{_suffix(vector)}.p0",
        ir.VoidType(),
        [vector, pointer, align.type, mask_type],
    )
    lane_numbers = ir.Constant(ir.VectorType(index, lanes), list(range(lanes)))
    for v in range(len(acc[0])):
        left = builder.sub(columns_left, ir.Constant(index, v * lanes))
        inside = builder.icmp_signed("<", lane_numbers, _broadcast(builder, left, lane_numbers.type))
        wanted = builder.and_(inside, _broadcast(builder, accumulate, mask_type))
        for m in range(len(acc)):
            at = builder.gep(c_at, [builder.mul(ir.Constant(index, m), c_stride)])
            at = builder.bitcast(builder.gep(at, [ir.Constant(index, v * lanes)]), pointer)
            old = builder.call(load, [at, align, wanted, ir.Constant(vector, None)])
            builder.call(store, [builder.fadd(old, acc[m][v]), at, align, inside])


def _broadcast(builder: Any, value: Any, vector: Any) -> Any:
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def _llvm(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _suffix(vector: Any) -> str:
    """LLVM's name for a vector type: v16f32."""
    return f"v{vector.count}f{scalar_bytes(vector.element) * 8}"
