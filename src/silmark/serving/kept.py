"""Where compiled functions are kept: known without importing the compiler."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from silmark.figures.tables import cache_folder

_HERE = Path(__file__).parent


def compiled_folder() -> Path:
    """A folder for this version of the core: numba notices a change of a function's own file, not of those it calls."""
    digest = hashlib.sha256(version("numba").encode())
    for source in (_HERE / "jit.py", *sorted(_HERE.glob("kernel/*.py")), *sorted(_HERE.glob("policies/*.py"))):
        digest.update(source.read_bytes())
    return cache_folder() / f"compiled-{digest.hexdigest()[:16]}"
