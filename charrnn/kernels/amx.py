"""Matrix products of bfloat16 pairs on Intel's matrix unit, AMX.

Eight registers called *tiles* hold 16 rows of 64 bytes each. One instruction multiplies 16 rows of 16 pairs
along k (the layout of `rows_of`) by 16 rows of pairs (the layout of the panels) and adds the product to
16 x 16 float32.

    C00 C01  +=  A0  (B0 B1)        four tiles of C stay in registers while k runs
    C10 C11      A1

Cost: 2 M N K flops. One instruction does 16,384 of them in 16 cycles; two loads of B serve 32 rows of A.
Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from .emit import llvm
from .jit import instruction, jit

SIDE = 16  # rows of a tile, and 32-bit elements of a row
AHEAD = 2 * SIDE  # how many panel rows ahead to prefetch; these may belong to the next panel
C00, C01, C10, C11, A0, A1, B0, B1 = range(8)
BYTE, SHORT, INDEX = ir.IntType(8), ir.IntType(16), ir.IntType(64)


@jit
def matmul_by_tiles(a, panels, c, accumulate):
    """`matmul.matmul` for pairs; a (M, depth) is row-major, and depth fills whole tiles."""
    rows, columns = c.shape
    depth = a.shape[1]
    height_set = width_set = 0
    for column in range(0, columns, 2 * SIDE):
        width = min(2 * SIDE, columns - column)
        padded = SIDE if width <= SIDE else 2 * SIDE
        panel = panels[column * depth : (column + padded) * depth].reshape(depth, padded)
        for row in range(0, rows, 2 * SIDE):
            height = min(2 * SIDE, rows - row)
            if height != height_set or width != width_set:
                configure(height, width)
                height_set, width_set = height, width
            _block(a, panel, c, row, column, height > SIDE, width > SIDE, accumulate)
    release()


@jit
def _block(a, panel, c, row, column, tall, wide, accumulate):
    """Compute up to 32 x 32 elements of C from [row, column]; tall, wide: more than 16 rows, columns."""
    below, right = row + SIDE, column + SIDE
    zero(C00)
    zero(C01)
    zero(C10)
    zero(C11)
    if accumulate:
        load(C00, c, row, column)
        if wide:
            load(C01, c, row, right)
        if tall:
            load(C10, c, below, column)
        if tall and wide:
            load(C11, c, below, right)
    for k in range(0, a.shape[1], SIDE):
        for ahead in range(k + AHEAD, k + AHEAD + SIDE):
            prefetch(panel, ahead, 0)
            prefetch(panel, ahead, SIDE)
        load(A0, a, row, k)
        load(B0, panel, k, 0)
        multiply_add(C00, A0, B0)
        if wide:
            load(B1, panel, k, SIDE)
            multiply_add(C01, A0, B1)
        if tall:
            load(A1, a, below, k)
            multiply_add(C10, A1, B0)
        if tall and wide:
            multiply_add(C11, A1, B1)
    store(C00, c, row, column)
    if wide:
        store(C01, c, row, right)
    if tall:
        store(C10, c, below, column)
    if tall and wide:
        store(C11, c, below, right)


@instruction
def configure(context: Any, height: Any, width: Any) -> Any:
    """Set the tiles' shapes for a block of C with `height` rows and `width` columns, at most 32 each.

    Tiles in a half that the block does not reach are unused and keep the full shape.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        side = ir.Constant(INDEX, SIDE)

        def halves(size: Any) -> list[Any]:
            over = builder.sub(size, side)
            reached = builder.icmp_signed(">", over, ir.Constant(INDEX, 0))
            return [builder.select(reached, side, size), builder.select(reached, over, side)]

        tall, wide = halves(args[0]), halves(args[1])
        rows = [tall[0], tall[0], tall[1], tall[1], *tall, side, side]
        columns = [wide[0], wide[1], wide[0], wide[1], side, side, *wide]
        # byte 0: palette 1; from byte 16: bytes per row, 16 bits a tile; from byte 48: rows, 8 bits a tile
        table = cgutils.alloca_once_value(builder, ir.Constant(ir.ArrayType(BYTE, 64), [1] + [0] * 63))
        start = builder.bitcast(table, BYTE.as_pointer())
        for number, (r, column) in enumerate(zip(rows, columns, strict=True)):
            at = builder.gep(start, [ir.Constant(INDEX, 16 + 2 * number)])
            width = builder.mul(column, ir.Constant(INDEX, 4))
            builder.store(builder.trunc(width, SHORT), builder.bitcast(at, SHORT.as_pointer()))
            builder.store(builder.trunc(r, BYTE), builder.gep(start, [ir.Constant(INDEX, 48 + number)]))
        _call(builder, "llvm.x86.ldtilecfg", [start])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


@instruction
def release(context: Any) -> Any:
    """Release the tiles, so that the operating system no longer needs to save them."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _call(builder, "llvm.x86.tilerelease", [])
        return context.get_dummy_value()

    return types.void(), codegen


@instruction
def zero(context: Any, tile: Any) -> Any:
    """Set a tile to 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _call(builder, "llvm.x86.tilezero", [_number(tile)])
        return context.get_dummy_value()

    return types.void(tile), codegen


@instruction
def multiply_add(context: Any, c: Any, a: Any, b: Any) -> Any:
    """Add the product of tiles a and b to tile c."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _call(builder, "llvm.x86.tdpbf16ps", [_number(c), _number(a), _number(b)])
        return context.get_dummy_value()

    return types.void(c, a, b), codegen


@instruction
def load(context: Any, tile: Any, array: Any, row: Any, column: Any) -> Any:
    """Load a tile from an array, starting at [row, column]; columns are adjacent, 32 bits each."""
    return types.void(tile, array, types.intp, types.intp), _moving("llvm.x86.tileloadd64", tile)


@instruction
def store(context: Any, tile: Any, array: Any, row: Any, column: Any) -> Any:
    """Store a tile into an array, starting at [row, column]."""
    return types.void(tile, array, types.intp, types.intp), _moving("llvm.x86.tilestored64", tile)


@instruction
def prefetch(context: Any, array: Any, row: Any, column: Any) -> Any:
    """Prefetch the cache line at [row, column]; an address outside memory is ignored."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at, _ = _place(context, builder, array, args)
        hints = [ir.Constant(ir.IntType(32), hint) for hint in (0, 3, 1)]  # read, high locality, data cache
        _call(builder, "llvm.prefetch.p0", [at, *hints])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), codegen


def _moving(name: str, tile: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at, stride = _place(context, builder, signature.args[1], args[1:])
        _call(builder, name, [_number(tile), at, stride])
        return context.get_dummy_value()

    return codegen


def _place(context: Any, builder: Any, of: Any, args: Any) -> tuple[Any, Any]:
    """Return the address of array[row, column] and the number of bytes between rows."""
    array = context.make_array(of)(context, builder, args[0])
    stride = cgutils.unpack_tuple(builder, array.strides, 2)[0]
    start = builder.bitcast(array.data, BYTE.as_pointer())
    across = builder.mul(args[2], ir.Constant(args[2].type, 4))
    return builder.gep(start, [builder.add(builder.mul(args[1], stride), across)]), stride


def _number(tile: Any) -> Any:
    return ir.Constant(BYTE, tile.literal_value)


def _call(builder: Any, name: str, arguments: list[Any]) -> None:
    builder.call(llvm(builder, name, ir.VoidType(), [argument.type for argument in arguments]), arguments)
