"""How the core is compiled: numba, kept on disk once per machine and version of the sources."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.extending import overload

from silmark.serving.kept import compiled_folder
from silmark.serving.kernel.words import MARKS, SGLANG, TRTLLM
from silmark.serving.linking import Parts, Wholes

_Function = TypeVar("_Function", bound=Callable[..., Any])


_State = Any  # of the type of `kernel.state.State`, which imports this
_CONFIG: Any = numba.config  # a module without types
if "NUMBA_CACHE_DIR" not in os.environ:
    _CONFIG.CACHE_DIR = str(compiled_folder())


LED = 64
"""Bits of the type of `State.led` where a fleet is led."""
_EVERY: Any = {"_nrt": False, "error_model": "numpy"}
_INNER: Any = _EVERY | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": Parts}


def compiled(function: _Function) -> _Function:
    """Compiles a function when it is first called; later runs read the result from disk.

    Arrays belong to the caller in Python and compiled functions make none of their own, so that references need no
    counting (twenty times as fast: a fleet's state is forty arrays, and every call would count each of them).
    """
    return _jit(function, **_EVERY, cache=True, pipeline_class=Wholes)


def inner(function: _Function) -> _Function:
    """The same for what only compiled functions call: without a door for Python it compiles in half the time."""
    return _jit(function, **_INNER)


def small(function: _Function) -> _Function:
    """The same for the few lines that run for every request of every step: they become part of their callers."""
    return _jit(function, **_INNER, forceinline=True)


def _jit(function: _Function, **options: object) -> _Function:
    jit: Any = numba.njit  # whose types do not know all of its options
    return cast("_Function", jit(**options)(function))


def door(vllm: _Function, sglang: _Function, trtllm: _Function) -> _Function:
    """A function that does what the policy of an engine says: `f(state, replica, what)`.

    The type of `State.policies` tells which policies a fleet has; others are not compiled.
    """
    each = {8 * np.dtype(mark).itemsize: one for mark, one in zip(MARKS, (vllm, sglang, trtllm), strict=True)}

    def stub(state: _State, replica: int, what: int) -> object:
        """Compiled code calls what `choose` returns."""
        raise NotImplementedError

    def mixed(state: _State, replica: int, what: int) -> object:
        policy = state.settings[state.engines[replica]["kind"]]["policy"]
        if policy == SGLANG:
            return sglang(state, replica, what)
        if policy == TRTLLM:
            return trtllm(state, replica, what)
        return vllm(state, replica, what)

    if _CONFIG.DISABLE_JIT:  # a debugger walks through it
        return cast("_Function", mixed)

    def choose(state: _State, replica: object, what: object) -> object:
        one: Any = each.get(state.types[state.fields.index("policies")].dtype.bitwidth)
        if one is None:
            return mixed

        def alone(state: _State, replica: int, what: int) -> object:
            return one(state, replica, what)

        return alone

    overload(stub, jit_options=_INNER, strict=False)(choose)
    return cast("_Function", stub)


def extra(full: _Function, otherwise: _Function) -> _Function:
    """A function that only fleets need that are led in some way beyond taking turns: `f(state, ...)`.

    The type of `State.led` tells which. A server on its own compiles `otherwise`, which takes a third of the time.
    """

    def stub(state: _State, *more: object) -> object:
        """Compiled code calls what `choose` returns."""
        raise NotImplementedError

    def whole(state: _State, *more: object) -> object:
        return full(state, *more)

    def less(state: _State, *more: object) -> object:
        return otherwise(state, *more)

    def choose(state: _State, *more: object) -> object:
        return whole if state.types[state.fields.index("led")].dtype.bitwidth == LED else less

    if _CONFIG.DISABLE_JIT:  # a debugger walks through it
        return full
    overload(stub, jit_options=_INNER, strict=False)(choose)
    return cast("_Function", stub)


def is_warm() -> bool:
    """Whether an earlier run left compiled functions on disk."""
    folder = Path(_CONFIG.CACHE_DIR)
    return folder.is_dir() and any(folder.rglob("*.nbc"))
