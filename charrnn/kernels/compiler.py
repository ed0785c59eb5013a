"""How kernels are compiled: what Python calls is compiled whole, with all that it calls, and once.

Numba compiles each function that it meets by itself, optimises it, and again in every function that calls it,
down to machine code that nobody runs. Here a kernel that another kernel calls is only typed and lowered; LLVM
sees it as a part of the *root* that Python calls. That takes a third of the time, and leaves one machine code
for one root, whatever was compiled before it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
from numba.core import compiler, dispatcher, types
from numba.core.codegen import JITCodeLibrary
from numba.core.imputils import lower_builtin, lower_constant
from numba.core.registry import CPUDispatcher
from numba.core.typing.templates import signature
from numba.extending import models, register_model

from .cache import Store

njit: Any = numba.njit


class _Part(JITCodeLibrary):
    """LLVM's code of a kernel inside a root: neither optimised nor made machine code."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True


class _PartCompiler(dispatcher._FunctionCompiler):  # type: ignore[name-defined, misc]
    def _compile_core(self, args: Any, return_type: Any) -> Any:
        flags: Any = compiler.Flags()
        self.targetdescr.options.parse_as_flags(flags, self.targetoptions)
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        target = self.targetdescr.target_context
        library = _Part(target.codegen(), self.py_func.__qualname__)
        result = compiler.compile_extra(
            *(self.targetdescr.typing_context, target, self.py_func, args, return_type, flags, self.locals),
            library=library,
            pipeline_class=self.pipeline_class,
        )
        result = result._replace(entry_point=object())  # which stands for it where Numba looks it up
        target.insert_user_function(result.entry_point, result.fndesc, [library])
        return result


class Kernel(CPUDispatcher):
    """A function that kernels call as a part of them, and Python as a root, which is kept on disk."""

    def __init__(self, function: Callable[..., Any], flags: set[str]):
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": flags}
        super().__init__(function, targetoptions=options | {"nopython": True})
        self._compiler = _PartCompiler(function, self.targetdescr, self.targetoptions, {}, compiler.Compiler)
        self.root: Any = njit(**options, no_cfunc_wrapper=True)(function)
        self.root._cache = Store(function)

    def __call__(self, *arguments: Any) -> Any:
        return self.root(*arguments)

    def add_overload(self, result: Any) -> None:
        self.overloads[tuple(result.signature.args)] = result


class ChoiceType(types.Callable, types.Opaque):
    """Numba's type of a call that goes to the kernel which `pick` returns for the types of the arguments.

    It carries no data: its name says it all.
    """

    def __init__(self, pick: Callable[..., Any], name: str):
        self.pick = pick
        super().__init__(f"Choice({name})")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        kernel = self.pick(*args)
        return (
            types.Dispatcher(kernel).get_call_type(context, args, kws)
            if kernel
            else signature(types.none, *args)
        )

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        return [], True

    def get_impl_key(self, of: Any) -> Any:
        kernel = self.pick(*of.args)
        return ChoiceType if kernel is None else types.Dispatcher(kernel).get_impl_key(of)


register_model(ChoiceType)(models.OpaqueModel)


@lower_constant(ChoiceType)
def _constant(context: Any, builder: Any, of: Any, value: Any) -> Any:
    return context.get_dummy_value()


@lower_builtin(ChoiceType, types.VarArg(types.Any))
def _nothing(context: Any, builder: Any, of: Any, args: Any) -> Any:
    return context.get_dummy_value()


class Choice:
    """Inside kernels, the kernel that `pick` returns for the types of the arguments; None does nothing."""

    def __init__(self, pick: Callable[..., Any], named: Callable[..., Any] | None = None):
        """named: what gives it its name, and its documentation; by default `pick`."""
        named = named or pick
        functools.update_wrapper(self, named)
        self._numba_type_ = ChoiceType(pick, f"{named.__module__}.{named.__qualname__}")

    def __call__(self, *arguments: Any) -> Any:
        raise TypeError("for use inside kernels")
