"""Number formats and analog effects: what a chip's arithmetic does to values.

    >>> import numpy as np
    >>> from silmark import numerics
    >>> bool((numerics.formats.get("bf16").quantize(np.float32([1.001, 3.0])) == [1.0, 3.0]).all())
    True

Everything takes numpy arrays and torch tensors alike and computes where they lie. A new format is one entry of a
family's table in `formats` or one file there; a new way to multiply is one in `arithmetic`.
"""

from __future__ import annotations

from silmark.numerics import arithmetic, formats
from silmark.numerics.base import VECTOR_KINDS, Arithmetic, Encoded, NumberFormat, Prepared

__all__ = ["VECTOR_KINDS", "Arithmetic", "Encoded", "NumberFormat", "Prepared", "arithmetic", "formats"]
