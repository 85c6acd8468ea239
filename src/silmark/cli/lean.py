"""What commands that simulate leave out to start sooner."""

from __future__ import annotations

import sys
from importlib import import_module

_BLAS = "scipy.linalg.cython_blas"


def without_blas() -> None:
    """Imports the part of numba that looks for SciPy's BLAS, and finds none.

    Where SciPy is installed its import takes as long as numba's, and simulations have no matrices. It is the process of
    a command, where nobody else compiles anything that could miss it.
    """
    if _BLAS in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    sys.modules[_BLAS] = None  # type: ignore[assignment]  # an import of it fails at once
    try:
        import_module("numba.np.arraymath")
    finally:
        del sys.modules[_BLAS]
