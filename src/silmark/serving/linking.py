"""How numba makes machine code of the core: once, of all functions together.

By itself numba links every function with all that it calls, optimises that and makes machine code of it; what lies deep
in a tree of two hundred functions goes through this dozens of times. Here functions that only compiled code calls stay
parts, which those that Python calls link, optimise and make executable: 40 % less to wait for, and faster code, since
LLVM decides about inlining when it sees everything.
"""

from __future__ import annotations

from typing import Any

from numba import _dynfunc  # type: ignore[attr-defined]
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering

_Anything = Any  # what numba hands from pass to pass


class _Part(JITCodeLibrary):
    """Code of one function, which is of use to those only that link it."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._finalized = True


class _Whole(JITCodeLibrary):
    """Code of a function and of all parts below it."""

    def finalize(self) -> None:
        linked = dict.fromkeys(self._linking_libraries)
        parts = [one for one in linked if isinstance(one, _Part)]
        self._linking_libraries = [one for one in linked if not isinstance(one, _Part)]
        for part in parts:
            self._final_module.link_in(part._final_module, preserve=True)
        for part in parts:  # only now, since they refer to each other
            for function in part._final_module.functions:
                if not function.is_declaration:
                    self._final_module.get_function(function.name).linkage = "internal"
        super().finalize()


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerPart(NativeLowering):
    """Makes code of a function and tells callers where to find it, and what else to link."""

    _name = "lower_part"

    def run_pass(self, state: _Anything) -> bool:
        library = state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        described = lowered.fndesc
        # Nobody calls this object: it is the name by which lowered calls find the function.
        key = _dynfunc.make_function(described.lookup_module(), described.qualname, "", 0, lowered.env, (library,))
        state["cr"] = lowered._replace(cfunc=key)
        linked = dict.fromkeys((library, *library._linking_libraries))
        state.targetctx.insert_user_function(key, described, list(linked))
        return True


class _Inside(Lower):
    """Code of a function behind its door: apart from it, since what `bundles` writes there is constant here."""

    def lower_normal_function(self, described: _Anything) -> None:
        super().lower_normal_function(described)
        self.function.attributes.add("noinline")


@register_pass(mutates_CFG=True, analysis_only=False)
class _LowerWhole(NativeLowering):
    """Makes executable code of a function and of all parts below it."""

    _name = "lower_whole"

    @property
    def lowering_class(self) -> type[Lower]:
        """What makes the code of one function."""
        return _Inside

    def run_pass(self, state: _Anything) -> bool:
        state.library = _Whole(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()  # for the file that later runs read
        return bool(super().run_pass(state))


class Parts(CompilerBase):
    """Compiles functions that only compiled functions call."""

    lowering: type[NativeLowering] = _LowerPart

    def define_pipelines(self) -> list[Any]:
        """Numba's own passes, the one that makes code exchanged."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(self.lowering if one is NativeLowering else one, why) for one, why in passes.passes]
        return [passes]


class Wholes(Parts):
    """Compiles functions that Python calls."""

    lowering = _LowerWhole
