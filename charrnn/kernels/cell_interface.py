"""What a cell must define, and how a kernel finds the cell it is compiled for.

A cell is a file in `charrnn/cells` that ends in `CELL = Cell(...)`. Kernels take that object as an argument.
Each cell has its own type, which selects the two functions when a kernel is compiled. The indices of blocks
become constants, so nothing is looked up at run time.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.core.errors import NumbaError
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.core.typing.typeof import typeof
from numba.extending import NativeValue, models, register_model, unbox

from ..errors import CellError
from .compiler import ChoiceType, Kernel

_defined: dict[str, Cell] = {}  # by name, for the compiler


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: the names of its blocks and states, and its two kernels.

    A cell has one buffer of pre-activations in blocks of H columns. The caller fills it with W_ih x + W_hh h
    + b, as far as a block has these terms. `forward` turns pre-activations into activations, and `backward`
    turns activations into gradients of the pre-activations, all in the same buffer.

    forward(a, s, t): compute the states s[:, t + 1] from pre-activations a[:, t] and states s[:, t].  Shapes:
    a (blocks, T, B*H), in place; s (states, T + 1, B*H).

    backward(a, s, t, ds): compute the gradients of a[:, t] and s[:, t] from ds, the gradient of s[:, t + 1].
    Shapes: a as `forward` left it, in place; ds (states, B*H), in place. The caller adds the gradient that
    flows back through W_hh to ds[0].

    Errors: CellError for a name missing from `blocks`, a repeated name, or a kernel with wrong arguments.
    """

    name: str  # the module's name: pass __name__
    blocks: tuple[str, ...]  # all blocks, in the order of the buffer
    input: tuple[str, ...]  # blocks that W_ih x fills, in the order of PyTorch's gates
    recurrent: tuple[str, ...]  # blocks that W_hh h fills, in the same order; a block in both gets the sum
    states: tuple[str, ...]  # vectors carried through time; the first is the output h
    forward: Callable[..., None]
    backward: Callable[..., None]
    gates: tuple[str, ...] = ()  # blocks between 0 and 1 that `charrnn explain` shows
    corners: bool = False  # h has corners at 0; the finite differences of gradcheck must not straddle them
    input_blocks: tuple[int, ...] = field(init=False, compare=False)  # indices of `input` in `blocks`
    recurrent_blocks: tuple[int, ...] = field(init=False, compare=False)
    _numba_type_: CellType = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for what in ("blocks", "input", "recurrent", "states", "gates"):
            self._check(what, getattr(self, what))
        if both := {*self.blocks} & {*self.states}:
            raise self._error(f"{min(both)} is a block and a state", "rename one of them")
        if len(self.input) != len(self.recurrent) or not self.input or not self.states:
            raise self._error(
                f"input has {len(self.input)} blocks, recurrent {len(self.recurrent)}, and there are "
                f"{len(self.states)} states",
                "input and recurrent need equally many blocks, at least one, and the cell needs a state",
            )
        if biased := {*self.blocks[: self.biases]} ^ {*self.input, *self.recurrent}:
            raise self._error(
                f"blocks has {', '.join(sorted(biased))} in the wrong order",
                "list the blocks of input and recurrent first, then those that only store values",
            )
        self._check_kernel("forward", self.forward, 3)
        self._check_kernel("backward", self.backward, 4)
        object.__setattr__(self, "input_blocks", tuple(map(self.blocks.index, self.input)))
        object.__setattr__(self, "recurrent_blocks", tuple(map(self.blocks.index, self.recurrent)))
        object.__setattr__(self, "_numba_type_", CellType(self.name))
        _defined[self.name] = self

    @property
    def biases(self) -> int:
        """The number of blocks with a bias: those that a product fills, which come first."""
        return len({*self.input, *self.recurrent})

    def _check(self, what: str, names: Any) -> None:
        if not isinstance(names, tuple) or not all(isinstance(name, str) and name for name in names):
            raise self._error(f"{what} is {names!r}", 'write a tuple of names, such as ("h",)')
        if len({*names}) < len(names):
            raise self._error(f"{what} has a name twice: {', '.join(names)}", "name each one once")
        if what not in ("blocks", "states") and (odd := [name for name in names if name not in self.blocks]):
            raise self._error(f"{what} has {odd[0]!r}", f"choose from its blocks: {', '.join(self.blocks)}")

    def _check_kernel(self, what: str, kernel: Callable[..., None], arguments: int) -> None:
        if not hasattr(kernel, "py_func"):
            raise self._error(f"{what} is not compiled", "put @jit above it")
        names = inspect.getfullargspec(kernel.py_func).args
        if len(names) != arguments:
            raise self._error(f"{what} takes {len(names)} arguments", f"give it {arguments}")

    def _error(self, problem: str, remedy: str) -> CellError:
        return CellError(f"{self.file}: {problem}", remedy)

    @property
    def file(self) -> str:
        return f"{self.name.replace('.', '/')}.py"


class CellType(types.Type):
    """Numba's type of one cell. It carries no data; the name identifies the cell."""

    def __init__(self, cell: str):
        self.cell = cell
        super().__init__(name=f"Cell({cell})")


register_model(CellType)(models.OpaqueModel)


@unbox(CellType)
def _unbox(of: Any, cell: Any, c: Any) -> NativeValue:
    return NativeValue(cgutils.get_null_value(c.context.get_value_type(of)))


class _Attributes(AttributeTemplate):
    """A cell's attributes inside kernels: its two kernels, and constants."""

    key = CellType

    def resolve_forward(self, of: CellType) -> ChoiceType:
        return _call(of, "forward")

    def resolve_backward(self, of: CellType) -> ChoiceType:
        return _call(of, "backward")

    def resolve_input_blocks(self, of: CellType) -> Any:
        return typeof(_defined[of.cell].input_blocks)

    def resolve_recurrent_blocks(self, of: CellType) -> Any:
        return typeof(_defined[of.cell].recurrent_blocks)


infer_getattr(_Attributes)


@lower_getattr_generic(CellType)
def _attribute(context: Any, builder: Any, of: CellType, value: Any, name: str) -> Any:
    if name in ("forward", "backward"):
        return context.get_dummy_value()
    blocks = getattr(_defined[of.cell], name)
    return context.get_constant_generic(builder, typeof(blocks), blocks)


def _call(of: CellType, what: str) -> ChoiceType:
    cell = _defined[of.cell]
    return ChoiceType(lambda *arguments: _compiled(cell, what, *arguments), f"{cell.name}.{what}")


def _compiled(cell: Cell, what: str, *arguments: Any) -> Any:
    """Compile a cell's kernel for arguments of these types.  Errors: CellError with file and line."""
    kernel: Any = getattr(cell, what)
    _try_out(cell, what, np.dtype(arguments[0].dtype.name))
    try:
        kernel.compile(arguments)
    except NumbaError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and "nopython" not in line]
        said = " ".join([*lines[:1], *(line for line in lines if line.startswith(">>>"))][:2])
        at: Any = getattr(error, "loc", None)
        file = cell.file if not at or at.filename.endswith(cell.file) else at.filename
        where = f"{file}, line {at.line}" if at else file
        raise CellError(
            f"{where}: {what} does not compile: {said or type(error).__name__}",
            "use only Python and NumPy that Numba supports",
        ) from None
    return kernel


def _try_out(cell: Cell, what: str, dtype: Any) -> None:
    """Run a kernel as plain Python, which detects missing blocks and states; compiled code does not.

    Errors: CellError with file and line.
    """
    a, s = np.zeros((len(cell.blocks), 1, 8), dtype), np.zeros((len(cell.states), 2, 8), dtype)
    function = getattr(cell, what).py_func
    known = {n: (lambda *_: None) if isinstance(v, Kernel) else v for n, v in function.__globals__.items()}
    try:
        alone = FunctionType(function.__code__, known)  # the kernels that it calls do nothing
        alone(a, s, 0, *([s[:, 0].copy()] if what == "backward" else []))
    except IndexError as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(cell.file)]
        place = f", line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
        raise CellError(
            f"{cell.file}{place}: {what} uses a block or state that does not exist: {error}",
            f"the blocks are {', '.join(cell.blocks)} and the states {', '.join(cell.states)}, from 0",
        ) from None
    except Exception:  # the compiler reports other mistakes better
        return
