"""Named tuples of arrays that compiled functions hand on as one address.

numba takes a tuple apart at every call: a state of forty arrays would be 280 arguments. A tuple whose class is marked
here lies in the frame of the door that Python came through, and stays as it is until that returns.
"""

from __future__ import annotations

from typing import Any, TypeVar

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.boxing import unbox_tuple
from numba.core.datamodel.models import PrimitiveModel
from numba.core.typing.typeof import typeof_impl
from numba.extending import NativeValue, lower_getattr_generic, register_model, unbox

_Class = TypeVar("_Class", bound=type)
_Anything = Any  # what numba's own code calls its contexts, builders and values


def bundle(cls: _Class) -> _Class:
    """Marks a class of named tuples."""

    def type_of(value: tuple[object, ...], context: _Anything) -> _Bundle:
        return _Bundle([typeof_impl(one, context) for one in value], cls)

    typeof_impl.register(cls)(type_of)
    return cls


class _Bundle(types.NamedTuple):
    """Type of the tuples of a marked class."""


@register_model(_Bundle)
class _Address(PrimitiveModel):
    """In registers and as an argument: where the fields lie."""

    def __init__(self, manager: _Anything, kind: _Bundle) -> None:
        fields = [manager.lookup(one).get_value_type() for one in kind.types]
        super().__init__(manager, kind, ir.LiteralStructType(fields).as_pointer())


@unbox(_Bundle)
def _unboxed(kind: _Bundle, value: _Anything, c: _Anything) -> NativeValue:
    """Writes the fields to the frame of the door."""
    plain = unbox_tuple(types.NamedTuple(kind.types, kind.instance_class), value, c)
    address = cgutils.alloca_once_value(c.builder, plain.value)
    return NativeValue(address, cleanup=plain.cleanup, is_error=plain.is_error)


@lower_getattr_generic(_Bundle)
def _field(_: _Anything, builder: _Anything, kind: _Bundle, address: _Anything, name: str) -> _Anything:
    """Reads a field."""
    return _constant(builder, cgutils.gep_inbounds(builder, address, 0, kind.fields.index(name)))


def _constant(builder: _Anything, address: _Anything) -> _Anything:
    """Reads what nobody writes to, word by word: of whole structures LLVM forgets that."""
    kind = address.type.pointee
    if not isinstance(kind, ir.Aggregate):
        word = builder.load(address)
        word.set_metadata("invariant.load", builder.module.add_metadata([]))
        return word
    whole = ir.Constant(kind, ir.Undefined)
    for at in range(len(kind)):
        part = _constant(builder, cgutils.gep_inbounds(builder, address, 0, at))
        whole = builder.insert_value(whole, part, at)
    return whole
