"""Where the compiled core is kept: known without importing the compiler."""

from __future__ import annotations

from pathlib import Path

from silmark.figures import compiled

_HERE = Path(__file__).parent


def compiled_folder() -> Path:
    """A folder for this version of the core."""
    parts = [source for part in ("kernel", "policies") for source in sorted(_HERE.glob(f"{part}/*.py"))]
    return compiled.compiled_folder((*(_HERE / f"{name}.py" for name in ("bundles", "jit", "linking")), *parts))
