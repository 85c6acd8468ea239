"""How inner loops are compiled: by numba, and kept in the package's cache folder.

Imported where something compiled is first needed: numba takes half a second.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from silmark.figures.compiled import compiled_folder

_Function = TypeVar("_Function", bound=Callable[..., Any])
_CONFIG: Any = numba.config  # a module without types
_SHARED = sorted(Path(__file__).parent.rglob("kernel*.py"))
"""Beside its own file, what a compiled function may call."""


def compiled(function: _Function) -> _Function:
    """Compiles a function when it is first called; later runs read the result from disk.

    It may call others of its file, and compiled ones of numerics; threads of Python may run it side by side. No rule of
    floating point is relaxed: equal inputs give equal bits on every machine.
    """
    before = _CONFIG.CACHE_DIR
    if "NUMBA_CACHE_DIR" not in os.environ:  # read where a function is decorated; the setting is everybody's
        _CONFIG.CACHE_DIR = str(compiled_folder((Path(inspect.getfile(function)), *_SHARED)))
    try:
        jit: Any = numba.njit  # whose types do not know all of its options
        return cast("_Function", jit(nogil=True, error_model="numpy", cache=True)(function))
    finally:
        _CONFIG.CACHE_DIR = before
