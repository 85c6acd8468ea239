"""Instructions that follow each other on the way of a stream, so that no tensor between them is written to memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from silmark.machines.lowering import Instruction, Lowered, MatMul, Move, Vector
from silmark.machines.tsp.tensors import readers, stages

_ELEMENT_WISE = frozenset({"silu", "gelu", "multiply", "add"})
_QUANTISE = 2
_SCALE = 3
"""Operations of the VXM: scale and round to codes; both scales of a product of codes and a rounding."""

Chain = tuple[Instruction, ...]


def finish(exact: bool) -> int:
    """Operations that make fp16 of the sums of a product: both scales of codes, and the rounding."""
    return _SCALE if exact else 1


def quantise(codes: bool) -> int:
    """Operations that make codes where these are wanted."""
    return _QUANTISE if codes else 0


def chained(lowered: Lowered, chips: Sequence[int], alus: int) -> list[tuple[int, Chain]]:
    """All instructions in order, those of one chain together at the place of the first.

    A product's sums pass the VXM anyway: operations element by element follow there, as long as its ALUs last, where
    all that they need besides is made before the product. An SXM that splits heads transposes them on the way.

    Args:
        lowered: instructions.
        chips: of each.
        alus: of the VXM per lane.
    """
    made = {one.out: number for number, one in enumerate(lowered.instructions)}
    read: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(lowered.instructions):
        for name in readers(one, lowered):
            read[name].append(number)
    found: list[tuple[int, Chain]] = []
    taken: set[int] = set()
    for number, one in enumerate(lowered.instructions):
        if number in taken:
            continue
        chain: Chain = (one,)
        while True:
            last = chain[-1].out
            follows = read[last][0] if len(read[last]) == 1 and last not in lowered.outputs else number
            following = lowered.instructions[follows]
            beside = [name for name in readers(following, lowered) if name != last]
            if (
                follows == number
                or chips[follows] != chips[number]
                or any(made.get(name, -1) >= number for name in beside)
                or not _joins(chain, following, alus)
            ):
                break
            chain = (*chain, following)
            taken.add(follows)
        found.append((chips[number], chain))
    return found


def _joins(chain: Chain, following: Instruction, alus: int) -> bool:
    """Whether an instruction can follow a chain on the way of its stream."""
    if isinstance(chain[0], MatMul) and isinstance(following, Vector) and following.operation in _ELEMENT_WISE:
        operations = sum(stages(one)[0] for one in (*chain[1:], following) if isinstance(one, Vector))
        return 1 + finish(True) + operations + quantise(True) <= alus
    return (
        len(chain) == 1
        and isinstance(chain[0], Move)
        and isinstance(following, Move)
        and (chain[0].layout, following.layout) == ("split-heads", "transpose")
    )
