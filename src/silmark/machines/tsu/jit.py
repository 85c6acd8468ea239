"""How the sampler's core is compiled: by numba, kept in the package's cache folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from silmark.figures.tables import cache_folder

_Function = TypeVar("_Function", bound=Callable[..., Any])
_CONFIG: Any = numba.config  # a module without types


def compiled(function: _Function) -> _Function:
    """Compiles a function when it is first called; later runs read the result from disk.

    No rule of floating point is relaxed, so that equal seeds give equal samples on every machine.
    """
    before = _CONFIG.CACHE_DIR
    if "NUMBA_CACHE_DIR" not in os.environ:  # read where a function is decorated; the setting is everybody's
        digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()  # numba notices changes of `kernel` alone
        _CONFIG.CACHE_DIR = str(cache_folder() / f"compiled-tsu-{digest[:16]}")
    try:
        jit: Any = numba.njit(error_model="numpy", cache=True)
        return cast("_Function", jit(function))
    finally:
        _CONFIG.CACHE_DIR = before
