"""What one product costs on a square of cores: cycles, traffic and memory of every way to form it.

A step of MeshGEMM is what WaferLLM's kernel does: start sending the two tiles to the next core, multiply, take the two
tiles of the core before, and let the tasks that waited for all this begin the next step. Cores wait for their
neighbours only, never for all; so what a long way costs is paid once and not in every step, see `late`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from silmark.machines.wafer.core import HALF_BYTES, Core, wavelets
from silmark.machines.wafer.execute import Product
from silmark.machines.wafer.reductions import cycles

MESH_COLOURS = {"meshgemm": 12, "cannon": 12, "summa": 8, "allgather": 6}
"""Both axes: send, receive, pass, and the same for the first alignment in each direction; SUMMA hands tiles on through
the cores, in two directions with alternating neighbours."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """A product (m, k) x (k, n) on side x side cores: sizes of the tiles of one core."""

    side: int
    m: int
    k: int
    n: int

    @property
    def left(self) -> int:
        """Elements of a left tile."""
        return self.m * self.k

    @property
    def right(self) -> int:
        """Elements of a right tile."""
        return self.k * self.n


@dataclass(frozen=True, slots=True)
class Cost:
    """What a product costs.

    Attributes:
        local: cycles in which a core multiplies.
        moving: the others.
        left, right: wavelets over each link of a row and of a column.
        buffers: bytes of a core beside operands and result.
    """

    local: float
    moving: float
    left: float
    right: float
    buffers: int


def cut(side: int, m: int, k: int, n: int) -> Tiles:
    """Tiles of a product whose three sizes are all spread over the side."""
    return Tiles(side, *(ceil(size / side) for size in (m, k, n)))


def work(core: Core, tiles: Tiles) -> float:
    """Cycles of a core to multiply two tiles: a vector instruction down the left tile per element of the right one."""
    return tiles.right * core.vector(tiles.m)


def step(core: Core, tiles: Tiles) -> float:
    """Cycles of one step of a core that waits for nobody."""
    moved = 2 * (core.passing(wavelets(tiles.left)) + core.passing(wavelets(tiles.right)))
    return 4 * core.stage + moved + work(core, tiles) + core.step


def align(core: Core, tiles: Tiles) -> float:
    """Cycles of the first alignment: half a round of left tiles, a step each."""
    return tiles.side // 2 * (2 * (core.stage + core.passing(wavelets(tiles.left))) + core.step)


def late(core: Core, tiles: Tiles, hops: int) -> float:
    """Cycles by which tiles that come over so many hops are late, for left and right ones together.

    They left one step before with the others, and are awaited once the core has sent its own and multiplied.
    """
    left, right = core.passing(wavelets(tiles.left)), core.passing(wavelets(tiles.right))
    awaited = 2 * core.stage + left + right + work(core, tiles)
    first = max(0.0, core.stage + hops * core.hop - awaited)
    second = max(0.0, 2 * core.stage + left + hops * core.hop - (awaited + core.stage + left))
    return first + second


def mesh(product: Product, core: Core, tiles: Tiles, *, together: bool = False) -> Cost:
    """A product whose tiles move.

    Args:
        product: any but `meshgemv`.
        core: of the mesh.
        tiles: of one core.
        together: every step begins when the one before has ended on all cores, as the analysis of PLMR counts.
    """
    side, local = tiles.side, tiles.side * work(core, tiles)
    left, right = wavelets(tiles.left), wavelets(tiles.right)
    bytes_ = HALF_BYTES * (tiles.left + tiles.right)
    if side == 1:
        return Cost(local, 0.0, 0.0, 0.0, 0)
    match product:
        case "meshgemm" | "cannon":
            once = late(core, tiles, 2 if product == "meshgemm" else side - 1)
            total = align(core, tiles) + side * step(core, tiles) + once * (side if together else 1)
            # Every link carries a tile forth and one back.
            return Cost(local, total - local, 2.0 * left * (side + side // 2), 2.0 * right * side, bytes_)
        case "summa":
            farthest = sum(max(root, side - 1 - root) for root in range(side)) if together else 4 * (side - 1)
            total = side * relay(core, tiles) + farthest * (core.stage + core.hop)
            return Cost(local, total - local, float(left * side), float(right * side), bytes_)
        case _:
            gathered = sum(cycles(core, "ring", side, side * count, spread=False) for count in (left, right))
            return Cost(local, gathered, 2.0 * left * side, 2.0 * right * side, (side - 1) * bytes_)


def relay(core: Core, tiles: Tiles) -> float:
    """A step of SUMMA: take both tiles and hand them on, multiply."""
    moved = core.passing(wavelets(tiles.left)) + core.passing(wavelets(tiles.right))
    return 2 * core.stage + moved + work(core, tiles) + core.step


def by_rows(core: Core, side: int, m: int, k: int, n: int) -> float:
    """Cycles of the local part of MeshGEMV: per row of the left, a vector instruction per row of the tile."""
    deep, wide = ceil(k / side), ceil(n / side)
    return m * (deep + 1) * core.vector(wide)  # one more to clear the sums
