"""numpy and torch alike: float32 arrays, their bit patterns, operations in place, and blocks that share a scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from array_api_compat import array_namespace, device, is_torch_namespace, to_device

from silmark.errors import BadValue
from silmark.numerics.base import ELEMENT, ROW, TENSOR, Array, Namespace

unwarned = np.errstate(all="ignore")
"""For functions whose overflows and NaN are answers; torch does not warn of them anyway."""

CHUNK = 1 << 18
"""Elements worked on at once: 1 MiB of float32, which caches hold while several operations pass over it."""

_SHORT = 64
"""Entries along an axis up to which numpy's own reduction is slow."""

EXPONENT = 0x7F800000
"""Bits of a float32 that hold its exponent."""


def as_float32(x: Array, name: str = "x") -> tuple[Namespace, Array]:
    """Namespace of x, and x as float32; raises BadValue where it is no array of real numbers."""
    try:
        xp = array_namespace(x)
    except TypeError:
        raise BadValue(name, type(x).__name__, "a numpy array or a torch tensor") from None
    if not xp.isdtype(x.dtype, ("real floating", "integral", "bool")):
        raise BadValue(name, str(x.dtype), "an array of real numbers")
    if is_torch_namespace(xp):
        x = x.detach()  # rounding has no gradient
    return xp, xp.astype(x, xp.float32, copy=False)


def bits_of(xp: Namespace, x: Array) -> Array:
    """The float32 x seen as int32, sharing memory."""
    return x.view(xp.int32)


def floats_of(xp: Namespace, bits: Array) -> Array:
    """The int32 bits seen as float32, sharing memory."""
    return bits.view(xp.float32)


def power_of_two_below(xp: Namespace, x: Array) -> Array:
    """2^floor(log2 |x|), exactly; 0 for zero and subnormals, inf for what is not finite."""
    return floats_of(xp, bits_of(xp, x) & EXPONENT)


def clip(xp: Namespace, x: Array, low: float, high: float) -> None:
    """Clips x in place; NaN stays."""
    if is_torch_namespace(xp):
        x.clamp_(low, high)
    else:
        np.clip(x, np.float32(low), np.float32(high), out=x)


def on_numpy(function: Callable[..., Array], x: Array, *more: Array) -> Array:
    """Calls a function of numpy arrays, compiled for the CPU, with copies of arrays that lie elsewhere."""
    xp = array_namespace(x)
    if not is_torch_namespace(xp):
        return function(x, *more)
    result = function(*(np.asarray(to_device(each.detach(), "cpu")) for each in (x, *more)))
    return to_device(xp.asarray(result), device(x))


def largest(xp: Namespace, x: Array, axis: int | None) -> Array:
    """The largest |x| along an axis, which stays as one entry; of the whole array where axis is None."""
    keep = axis is not None
    if axis is not None and x.shape[axis] <= _SHORT and not is_torch_namespace(xp):
        return _largest_of_few(x, axis)
    return xp.maximum(xp.max(x, axis=axis, keepdims=keep), -xp.min(x, axis=axis, keepdims=keep))


def _largest_of_few(x: Array, axis: int) -> Array:
    """The same along a short axis, entry by entry: numpy reduces many short rows ten times slower than this."""
    size = np.moveaxis(np.abs(x), axis, 0)
    most = size[0].copy()
    for each in size[1:]:
        np.maximum(most, each, out=most)
    return np.expand_dims(most, axis)


Place = tuple[slice, slice, slice]
"""Where a part lies."""


@dataclass(frozen=True, slots=True)
class Layout:
    """An array seen as (outer, blocks, size, inner): `size` values along the axis share a scale.

    Attributes:
        shape: of the array.
        blocks, size: see above; without shared scales, or with one for the whole tensor, everything is one block.
        length: of the axis; less than blocks * size where the last block is not full.
        before, after: lengths of the other axes.
    """

    shape: tuple[int, ...]
    blocks: int
    size: int
    length: int
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    @classmethod
    def of(cls, shape: tuple[int, ...], axis: int, block: int) -> Layout:
        """How an array of that shape is cut along an axis; raises BadValue where it has no such axis."""
        shape, ndim = tuple(shape), max(len(shape), 1)
        if not -ndim <= axis < ndim:
            raise BadValue("axis", axis, f"an axis of an array of {len(shape)} dimensions")
        every = prod(shape)
        if block == ELEMENT:
            return cls(shape, 1, 1, 1, after=(every,))
        if block == TENSOR:
            return cls(shape, min(every, 1), max(every, 1), every, after=(1,) * (ndim - 1))
        axis %= ndim
        length = shape[axis] if shape else 1
        size = max(length, 1) if block == ROW else block
        return cls(shape, -(-length // size), size, length, shape[:axis], shape[axis + 1 :])

    @property
    def outer(self) -> int:
        """Values along the axes before it."""
        return prod(self.before)

    @property
    def inner(self) -> int:
        """Values along the axes after it."""
        return prod(self.after)

    def split(self, xp: Namespace, x: Array) -> Array:
        """The array as (outer * blocks, size, inner), the last block filled with zeros; a view where it can be one."""
        missing = self.blocks * self.size - self.length
        if missing:
            x = xp.reshape(x, (self.outer, self.length, self.inner))
            zeros = xp.zeros((self.outer, missing, self.inner), dtype=x.dtype, device=device(x))
            x = xp.concat([x, zeros], axis=1)
        return xp.reshape(x, (self.outer * self.blocks, self.size, self.inner))

    def join(self, xp: Namespace, parts: Array) -> Array:
        """The inverse of `split`."""
        if self.blocks * self.size != self.length:
            parts = xp.reshape(parts, (self.outer, self.blocks * self.size, self.inner))[:, : self.length, :]
        return xp.reshape(parts, self.shape)

    def scales(self, xp: Namespace, rows: Array) -> Array:
        """What blocks share, (outer * blocks, n, inner), as an array with n entries per block along the axis."""
        return xp.reshape(rows, (*self.before, self.blocks * rows.shape[1], *self.after))

    def rows(self, xp: Namespace, scales: Array) -> Array:
        """The inverse of `scales`."""
        return xp.reshape(scales, (self.outer * self.blocks, -1, self.inner))

    def work(self, xp: Namespace, x: Array, change: Callable[[Array, Place], None], *, copy: bool = True) -> Array:
        """The array changed: `change` is called on (rows, size, inner) parts, each small enough for caches.

        It gets the part, to change it in place, and where it lies, to index arrays of (outer * blocks, n, inner).
        Without `copy` the array itself may be changed.
        """
        if not prod(self.shape):
            return xp.empty_like(x)
        source = self.split(xp, x)
        out = xp.empty_like(source) if copy else source
        rows = max(1, CHUNK // (self.size * self.inner))
        columns = max(1, CHUNK // self.size)
        for row in range(0, self.outer * self.blocks, rows):
            for column in range(0, self.inner, columns):
                place = (slice(row, row + rows), slice(None), slice(column, column + columns))
                part = out[place]
                if copy:
                    part[...] = source[place]
                change(part, place)
        return self.join(xp, out)


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Rows of an output of so many columns, cut so that caches hold what several operations pass over.

    A block has at least 128 rows: products of fewer spend their time on fetching the right operand.
    """
    size = max(128, 4 * CHUNK // max(columns, 1))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def empty_product(xp: Namespace, left: Array, right: Array) -> Array:
    """Room for (..., m, k) times (..., k, n), float32."""
    stack = np.broadcast_shapes(tuple(left.shape[:-2]), tuple(right.shape[:-2]))
    return xp.empty((*stack, left.shape[-2], right.shape[-1]), dtype=xp.float32, device=device(left))
