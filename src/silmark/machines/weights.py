"""Weights of a program from a safetensors file: bounded, checked for shape and for values that are no numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from silmark.errors import BadFile, MissingExtra
from silmark.machines.run import Array

_MOST_BYTES = 1 << 31


class Weights:
    """Reads matrices as PyTorch's Linear holds them, (out, in); without a file nothing is found in it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: Any = None if path is None else _opened(path)
        self._names = frozenset(self._file.keys()) if self._file is not None else frozenset()

    def matrix(self, name: str, k: int, n: int) -> Array | None:
        """The matrix of `name`, turned to (k, n); None without a file.

        Raises:
            BadFile: it is missing, of another shape or type, or holds NaN or infinite values.
        """
        found = self._read(name, (n, k))
        return None if found is None else np.ascontiguousarray(found.T)

    def vector(self, name: str, width: int) -> Array | None:
        """The vector of `name`; None without a file."""
        return self._read(name, (width,))

    def close(self) -> None:
        """Lets the file go."""
        if self._file is not None:
            self._file.__exit__(None, None, None)

    def _read(self, name: str, shape: tuple[int, ...]) -> Array | None:
        if self._path is None:
            return None
        if name not in self._names:
            raise BadFile(self._path, f"missing; expected a tensor of shape {list(shape)}", name)
        part = self._file.get_slice(name)
        if list(part.get_shape()) != list(shape):
            raise BadFile(self._path, f"is of shape {part.get_shape()}; expected {list(shape)} (out, in)", name)
        if part.get_dtype() not in ("F64", "F32", "F16"):
            raise BadFile(self._path, f"is stored as {part.get_dtype()}; expected F64, F32 or F16", name)
        values = np.asarray(self._file.get_tensor(name), dtype=np.float32)
        if not np.isfinite(values).all():
            raise BadFile(self._path, "holds NaN or infinite values", name)
        return values


def _opened(path: Path) -> Any:  # noqa: ANN401 - the reader of an optional library
    try:
        from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtra("reading weights", "torch") from None
    try:
        if not path.is_file():
            raise BadFile(path, "no such file" if not path.exists() else "not a regular file")
        if path.stat().st_size > _MOST_BYTES:
            raise BadFile(path, f"larger than {_MOST_BYTES >> 30} GiB")
        return safe_open(path, framework="numpy").__enter__()  # type: ignore[no-untyped-call]  # closed by `close`
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    except SafetensorError as error:
        raise BadFile(path, f"is not a safetensors file: {error}") from None
