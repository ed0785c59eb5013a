"""How kernels are compiled: each kernel that Python calls is compiled once, together with all it calls.

By default, Numba compiles and optimizes every function by itself, down to machine code that nobody runs, and
again in each of its callers. Here, a kernel that another kernel calls is a part of the *root* that Python
calls, and only the root becomes machine code. This halves the compile time and gives each root the same
machine code, whatever was compiled before it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from llvmlite.binding import Linkage
from numba.core import compiler, dispatcher, types
from numba.core.codegen import JITCodeLibrary
from numba.core.imputils import lower_builtin, lower_constant, user_function
from numba.core.registry import CPUDispatcher
from numba.core.typing.templates import signature
from numba.extending import models, register_model

from .cache import StaleError, Store, release


class _Part(JITCodeLibrary):
    """LLVM code of a kernel inside a root: no machine code, and optimized only if it calls no other kernel.

    On its own, a loop over two vectors is vectorized, with a check that they do not overlap. Inlined into
    other loops, it no longer is, which made BPTT 15 % slower.
    """

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        if not any(isinstance(library, _Part) for library in self._linking_libraries):
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalized = True


class _Root(JITCodeLibrary):
    """LLVM code of a root. Its parts are private, because parts of different roots have the same names.

    Private parts leave no name in machine code. With internal or weak names, the linker may give a part of
    one root to another, although it was optimized for the first: different bits, or a crash.
    """

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = "private"
        super()._optimize_final_module()


class _Compiler(dispatcher._FunctionCompiler):  # type: ignore[name-defined, misc]
    """Numba's compiler, with `_Part` or `_Root` as its library."""

    def __init__(self, of: Any, library: type[JITCodeLibrary]):
        super().__init__(of.py_func, of.targetdescr, of.targetoptions, {}, compiler.Compiler)
        self._library, self._is_part = library, library is _Part

    def _compile_core(self, args: Any, return_type: Any) -> Any:
        flags: Any = compiler.Flags()
        self.targetdescr.options.parse_as_flags(flags, self.targetoptions)
        flags.no_compile = flags.no_cpython_wrapper = self._is_part
        flags.no_cfunc_wrapper = True
        target = self.targetdescr.target_context
        library = self._library(target.codegen(), self.py_func.__qualname__)
        library.enable_object_caching()
        result = compiler.compile_extra(
            *(self.targetdescr.typing_context, target, self.py_func, args, return_type, flags, self.locals),
            library=library,
            pipeline_class=self.pipeline_class,
        )
        if self._is_part:
            result = result._replace(entry_point=object())  # the key under which Numba looks it up
            target.insert_user_function(result.entry_point, result.fndesc, [library])
        return result


class Kernel(CPUDispatcher):
    """A function that is a part when a kernel calls it, and a root, cached on disk, when Python calls it."""

    def __init__(self, function: Callable[..., Any]):
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "nopython": True}
        super().__init__(function, targetoptions=options)
        self._compiler = _Compiler(self, _Part)
        root: Any = CPUDispatcher(function, targetoptions=options)
        root._compiler, root._cache = _Compiler(root, _Root), Store(function)
        self.root = root

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self.root(*arguments)
        except BaseException:
            release()
            raise

    def add_overload(self, result: Any) -> None:
        self.overloads[tuple(result.signature.args)] = result


class ChoiceType(types.Callable, types.Opaque):
    """Numba's type of a call to the kernel that `pick` returns for the types of the arguments.

    It carries no data; the name identifies it.
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
    """Inside kernels, a call to the kernel that `pick` returns for the argument types; None does nothing."""

    def __init__(self, pick: Callable[..., Any], named: Callable[..., Any] | None = None):
        """named: the function to take the name and docstring from; by default `pick`."""
        named = named or pick
        functools.update_wrapper(self, named)
        self._numba_type_ = ChoiceType(pick, f"{named.__module__}.{named.__qualname__}")

    def __call__(self, *arguments: Any) -> Any:
        raise TypeError("for use inside kernels")


class _CalledType(types.Callable, types.Opaque):
    """Numba's type of a kernel that another root calls as a root, through its machine code."""

    def __init__(self, kernel: Any):
        self.kernel = kernel
        self._keys = dict[Any, object]()
        super().__init__(f"Called({kernel.__module__}.{kernel.__qualname__})")

    def get_call_type(self, context: Any, args: Any, kws: Any) -> Any:
        return types.Dispatcher(self.kernel.root).get_call_type(context, args, kws)

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        return [], True

    def get_impl_key(self, of: Any) -> Any:
        if of.args not in self._keys:
            key = self._keys[of.args] = object()
            self.kernel.targetdescr.target_context._defns[key].append(*self._implementation(of.args))
        return self._keys[of.args]

    def _implementation(self, args: Any) -> tuple[Any, Any]:
        symbol = self.kernel.root.overloads[args].fndesc
        call = user_function(symbol, ())  # resolved when the machine code is loaded

        def implementation(context: Any, builder: Any, of: Any, values: Any) -> Any:
            place = self.kernel.__module__, self.kernel.__qualname__
            context.active_code_library._reload_init.add(partial(need, *place, args, symbol.llvm_func_name))
            return call(context, builder, of, values)

        implementation.libs = ()  # type: ignore[attr-defined]
        return implementation, call.signature


register_model(_CalledType)(models.OpaqueModel)
lower_constant(_CalledType)(_constant)


class Called:
    """Inside kernels, a kernel that is called as the root compiled for Python, instead of as a part."""

    def __init__(self, kernel: Any):
        functools.update_wrapper(self, kernel)
        self._numba_type_ = _CalledType(kernel)

    def __call__(self, *arguments: Any) -> Any:
        raise TypeError("for use inside kernels")


def need(module: str, name: str, args: Any, symbol: str) -> None:
    """Load or compile a root that another root calls, before that one runs.

    Errors: StaleError if the root has changed since its caller was compiled.
    """
    root = getattr(import_module(module), name).root
    root.compile(args)
    if root.overloads[args].fndesc.llvm_func_name != symbol:
        raise StaleError
