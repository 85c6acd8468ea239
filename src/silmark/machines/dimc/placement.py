"""Where weights lie: tiles of an array's size, chained along the depth, on the cores of every chiplet.

A product whose input every chiplet has is cut by columns: its results stay where they are made. One whose input lies
cut that way is cut by rows instead: chiplets hold partial sums of everything, and an all-reduce follows. So a layer
needs two exchanges, as tensor parallelism does (Shoeybi et al., arXiv:1909.08053, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from silmark.machines.dimc.geometry import Geometry
from silmark.machines.lowering import MatMul

Cut = Literal["columns", "rows", "entries"]
"""By columns, by rows, or by the entries of a batch (attention heads)."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A product on the chiplets.

    Attributes:
        cut: how it is shared out.
        depth, width: tiles of the busiest chiplet, along k and along n (of all its batch entries).
        length: tiles of a chain, at most as many as can be chained.
        copies: how often the weights are stored, each copy for a part of the vectors.
        vectors: that pass each tile of a copy.
        chains: on each group of cores, (chiplets, groups), copies included.
        at_once: chains that a group runs at once, beside each other.
        spread: tiles on all chiplets together, one copy.
    """

    cut: Cut
    depth: int
    width: int
    length: int
    copies: int
    vectors: int
    chains: NDArray[np.int64]
    at_once: int
    spread: int

    @property
    def waves(self) -> NDArray[np.int64]:
        """Rounds of tiles that each group works through."""
        return np.asarray(-(-self.chains // self.at_once))

    @property
    def per_column(self) -> int:
        """Chains per column of tiles on the busiest chiplet; their sums are added."""
        return ceil(self.depth / self.length)

    def blocks(self, count: int) -> list[range]:
        """The blocks along k that are summed in one chain each, in order, where there are `count` of them."""
        found: list[range] = []
        for share in range(0, count, self.depth):
            end = min(share + self.depth, count)
            found += [range(start, min(start + self.length, end)) for start in range(share, end, self.length)]
        return found


def place(geometry: Geometry, one: MatMul, *, input_is_cut: bool, room: float, first: int = 0) -> Placed:
    """Places a product on all chiplets.

    Args:
        geometry: the system.
        one: the product.
        input_is_cut: every chiplet has some columns of the input only.
        room: bytes that a core has left for copies of weights beside the first.
        first: group of every chiplet that begins; products begin where the one before ended.
    """
    depth, width, chiplets = ceil(one.k / geometry.rows), ceil(one.n / geometry.columns), geometry.chiplets
    spread = depth * width * one.batch
    depths, widths = np.full(chiplets, depth), np.full(chiplets, width)
    cut: Cut = "entries" if not one.stored else "rows" if input_is_cut else "columns"
    match cut:
        case "columns":
            widths = _shares(width, chiplets)
        case "rows":
            most = ceil(depth / chiplets)
            depths = np.clip(depth - np.arange(chiplets) * most, 0, most)
        case "entries":  # heads; where there are more chiplets than heads, columns of a head go to several
            widths = _shares(one.batch * width, chiplets)
    depth, width = int(depths.max()), int(widths.max())
    length = ceil(depth / ceil(depth / geometry.chain))
    at_once = geometry.chain // length
    chains = widths * -(-depths // length)
    most_copies = geometry.groups * at_once // int(chains.max())
    copies = _copies(geometry, one, most_copies, room) if one.stored else 1
    groups = (np.arange(geometry.groups) - first) % geometry.groups
    total = (chains * copies)[:, None]
    on_groups = total // geometry.groups + (groups < total % geometry.groups)
    return Placed(cut, depth, width, length, copies, ceil(one.m / copies), on_groups, at_once, spread)


def _shares(count: int, chiplets: int) -> NDArray[np.int64]:
    """So many, as evenly as whole numbers allow."""
    return np.asarray(count // chiplets + (np.arange(chiplets) < count % chiplets))


def _copies(geometry: Geometry, one: MatMul, most: int, room: float) -> int:
    """Copies that make a product faster: until its vectors take no longer than a tile takes to enter."""
    useful = one.m * geometry.vector_cycles // geometry.rows
    fit = 1 + int(room // tile_bytes(geometry))
    return max(1, min(most, useful, fit))


def tile_bytes(geometry: Geometry) -> float:
    """SRAM that one tile of weights takes, block scales included."""
    return geometry.rows * geometry.columns * geometry.weight_bytes
