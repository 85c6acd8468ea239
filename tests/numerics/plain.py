"""The rules of OCP Microscaling written once more, plainly, in float64: what `silmark.numerics` is compared with.

From "OCP Microscaling Formats (MX) Specification" v1.0 (sections 5 and 6.3) alone; no line is shared with the package.
"""

import numpy as np

ELEMENTS = {  # exponent bits, mantissa bits, exponent of the largest binade, largest value
    "mxfp8-e4m3": (4, 3, 8, 448.0),
    "mxfp8-e5m2": (5, 2, 15, 57344.0),
    "mxfp6-e2m3": (2, 3, 2, 7.5),
    "mxfp6-e3m2": (3, 2, 4, 28.0),
    "mxfp4": (2, 1, 2, 6.0),
    "mxint8": (0, 6, 0, 127 / 64),
}


def microscaled(x, name, ties="even"):
    """float32 (rows, n) with n a multiple of 32, rounded block by block along rows."""
    exponent_bits, mantissa_bits, top, most = ELEMENTS[name]
    blocks = x.astype(np.float64).reshape(x.shape[0], -1, 32)
    shared = _exponent(np.abs(blocks).max(axis=-1, keepdims=True)) - top
    scale = np.ldexp(1.0, np.clip(shared, -127, 127))
    elements = blocks / scale
    lowest = 2 - 2 ** (exponent_bits - 1) if exponent_bits else 0
    step = np.ldexp(1.0, np.maximum(_exponent(np.abs(elements)), lowest) - mantissa_bits)
    if not exponent_bits:
        step = 2.0**-mantissa_bits
    steps = np.abs(elements) / step
    whole = np.floor(steps)
    rest = steps - whole
    up = (rest > 0.5) | ((rest == 0.5) & ((whole % 2 == 1) | (ties == "away")))
    rounded = np.minimum((whole + up) * step, most)
    return (np.copysign(rounded, elements) * scale).astype(np.float32).reshape(x.shape)


def _exponent(size):
    """floor(log2 size); very low for zero."""
    return np.where(size > 0, np.frexp(size)[1] - 1, -1000)
