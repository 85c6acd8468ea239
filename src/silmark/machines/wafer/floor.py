"""The region drawn as a coarse mesh: each cell stands for many cores, and shows how busy they and their links were."""

from __future__ import annotations

import numpy as np

from silmark.machines.base import Tile
from silmark.machines.wafer.core import Core
from silmark.machines.wafer.schedule import MULTIPLY, VECTORS, Schedule

CELLS = 12
"""Per side of the picture."""
CORES = "cores"


def floorplan() -> tuple[Tile, ...]:
    """Cells with the links to the next one eastward and northward between them."""
    tiles = []
    for x in range(CELLS):
        for y in range(CELLS):
            tiles.append(Tile("", CORES, 10 * x, 10 * y, 6, 6))
            if x < CELLS - 1:
                tiles.append(Tile("", f"links x {x}", 10 * x + 6, 10 * y + 2, 4, 2))
            if y < CELLS - 1:
                tiles.append(Tile("", f"links y {y}", 10 * x + 2, 10 * y + 6, 2, 4))
    return tuple(tiles)


def utilisation(done: Schedule, core: Core) -> dict[str, float]:
    """Busy shares: of cores, of their multipliers, and of links in bands across the region, a wavelet a cycle each."""
    if done.now == 0:
        return {CORES: 0.0}
    side = done.plan.side
    working = done.busy.get(MULTIPLY, 0.0) + done.busy.get(VECTORS, 0.0)
    found = {
        CORES: working / done.now,
        "multipliers": done.multiply_adds / (done.now * side**2 * core.lanes),
    }
    for axis, loads in done.links.items():
        for band, part in enumerate(np.array_split(loads, CELLS - 1)):
            if part.size:
                found[f"links {axis} {band}"] = float(part.mean()) / (2 * side * done.now)
    return found
