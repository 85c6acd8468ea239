"""Where weights lie: tiles of an array's size, chained along the depth, on the cores of every chiplet.

A product whose input every chiplet has is cut by columns: its results stay where they are made. One whose input lies
cut that way is cut by rows instead: chiplets hold partial sums of everything, and an all-reduce follows. So a layer
needs two exchanges, as tensor parallelism does (Shoeybi et al., arXiv:1909.08053, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from silmark.machines.dimc.geometry import Geometry
from silmark.machines.lowering import MatMul

Cut = Literal["columns", "rows", "entries"]
"""By columns, by rows, or by the entries of a batch (attention heads)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A product on the chiplets.

    Attributes:
        cut: how it is shared out.
        depth, width: tiles of the busiest chiplet, along k and along n (of all its batch entries).
        chains: chains per column of tiles.
        length: tiles of a chain, at most as many as can be chained.
        copies: how often the weights are stored, each copy for a part of the vectors.
        waves: rounds of tiles that the busiest group of cores works through.
        vectors: that pass each tile of a copy.
        tiles: on the busiest core.
        spread: tiles on all chiplets together, one copy.
    """

    cut: Cut
    depth: int
    width: int
    chains: int
    length: int
    copies: int
    waves: int
    vectors: int
    tiles: int
    spread: int

    def blocks(self, count: int) -> list[range]:
        """The blocks along k that are summed in one chain each, in order, where there are `count` of them."""
        starts: list[range] = []
        for share in range(0, count, self.depth):
            end = min(share + self.depth, count)
            starts += [range(start, min(start + self.length, end)) for start in range(share, end, self.length)]
        return starts


def place(geometry: Geometry, one: MatMul, *, input_is_cut: bool, room: float) -> Placed:
    """Places a product on all chiplets.

    Args:
        geometry: the system.
        one: the product.
        input_is_cut: every chiplet has some columns of the input only.
        room: bytes that a core has left for copies of weights beside the first.
    """
    depth, width = ceil(one.k / geometry.rows), ceil(one.n / geometry.columns)
    spread = depth * width * one.batch
    cut: Cut = "entries" if not one.stored else "rows" if input_is_cut else "columns"
    match cut:
        case "columns":
            width = ceil(width / geometry.chiplets)
        case "rows":
            depth = ceil(depth / geometry.chiplets)
        case "entries":  # heads; where there are more chiplets than heads, columns of a head go to several
            width = ceil(one.batch * width / geometry.chiplets)
    chains = ceil(depth / geometry.chain)
    length = ceil(depth / chains)
    each = geometry.groups * (geometry.chain // length)  # chains that a chiplet runs at once
    copies = _copies(geometry, one, each // (chains * width), room) if one.stored else 1
    waves = ceil(chains * width * copies / each)
    return Placed(
        cut, depth, width, chains, length, copies, waves, ceil(one.m / copies), waves, spread
    )  # a core holds one tile of each wave


def _copies(geometry: Geometry, one: MatMul, most: int, room: float) -> int:
    """Copies that make a product faster: until its vectors take no longer than a tile takes to enter."""
    useful = one.m * geometry.vector_cycles // geometry.rows
    fit = 1 + int(room // tile_bytes(geometry))
    return max(1, min(most, useful, fit))


def tile_bytes(geometry: Geometry) -> float:
    """SRAM that one tile of weights takes, block scales included."""
    return geometry.rows * geometry.columns * geometry.weight_bytes
