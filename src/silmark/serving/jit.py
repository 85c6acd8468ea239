"""How the core is compiled: numba, kept on disk once per machine and version of the sources."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from silmark.figures.tables import cache_folder

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _folder() -> Path:
    """Where compiled functions are kept: numba notices a change of a function's own file, not of those it calls."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return cache_folder() / f"compiled-{digest.hexdigest()[:16]}"


_CONFIG: Any = numba.config  # a module without types
if "NUMBA_CACHE_DIR" not in os.environ:
    _CONFIG.CACHE_DIR = str(_folder())


def compiled(function: _Function) -> _Function:
    """Compiles a function when it is first called; later runs read the result from disk."""
    return cast("_Function", numba.njit(cache=True, error_model="numpy")(function))


def is_warm() -> bool:
    """Whether an earlier run left compiled functions on disk."""
    folder = Path(_CONFIG.CACHE_DIR)
    return folder.is_dir() and any(folder.rglob("*.nbc"))
