"""The floor plan of a card, in units of an array: chiplets of four quads beside each other, LPDDR along the edges."""

from __future__ import annotations

from math import ceil

from silmark.machines.base import Facts, Tile
from silmark.machines.dimc.schedule import LINKS, MAIN, VECTORS, quad_name

_SIDE, _GAP = 8.0, 1.0


def floorplan(facts: Facts) -> tuple[Tile, ...]:
    """Chiplets in rows of a package; each has its quads, a vector unit and its channels of LPDDR."""
    arrays = facts.of_chip("compute.arrays").value
    chiplets = max(1, round(arrays / facts.own("package.cores").value))
    quads = facts.whole("package.quads")
    cores = round(arrays / chiplets / quads)
    wide = min(4, chiplets)
    tiles: list[Tile] = []
    for index in range(chiplets):
        x, y = index % wide * (2 * _SIDE + 3 * _GAP), index // wide * (2 * _SIDE + 7 * _GAP)
        for quad in range(quads):
            place = (x + quad % 2 * (_SIDE + _GAP), y + quad // 2 * (_SIDE + _GAP))
            tiles.append(Tile(f"{cores} arrays" if not index else "", quad_name(index, quad), *place, _SIDE, _SIDE))
        top = y + ceil(quads / 2) * (_SIDE + _GAP)
        tiles.append(Tile("vector", VECTORS, x, top, _SIDE, 3 * _GAP))
        tiles.append(Tile("LPDDR", MAIN, x + _SIDE + _GAP, top, _SIDE, 3 * _GAP))
    if chiplets > 1:
        width = wide * (2 * _SIDE + 3 * _GAP) - _GAP
        tiles.append(Tile("links between chiplets", LINKS, 0, -4 * _GAP, width, 3 * _GAP))
    return tuple(tiles)
