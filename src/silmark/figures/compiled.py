"""Where compiled code is kept: known without importing the compiler."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from silmark.figures.tables import cache_folder


def compiled_folder(sources: Iterable[Path]) -> Path:
    """A folder for what numba makes of these files, for it notices changes of a function's own file alone."""
    digest = hashlib.sha256(version("numba").encode())
    for source in sources:
        digest.update(source.read_bytes())
    return cache_folder() / f"compiled-{digest.hexdigest()[:16]}"
