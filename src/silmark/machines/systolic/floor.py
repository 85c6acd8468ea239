"""The floor plan of a systolic chip, in units of cells: what is drawn to scale is the arrays."""

from __future__ import annotations

from math import ceil, sqrt

from silmark.machines.base import Facts, Tile
from silmark.machines.systolic.schedule import MAIN, VECTORS


def floorplan(facts: Facts) -> tuple[Tile, ...]:
    """Arrays beside each other, vector unit and on-die memory above them, main memory at the edge."""
    rows, columns, arrays = (round(facts.of_chip(f"compute.{key}").value) for key in ("rows", "columns", "arrays"))
    wide = ceil(sqrt(arrays))
    gap = 0.1 * columns
    width, tall = wide * (columns + gap) - gap, ceil(arrays / wide) * (rows + gap)
    tiles = [
        Tile(
            label=f"{rows} x {columns}" if arrays <= 16 else "",
            unit=f"array {index}",
            x=index % wide * (columns + gap),
            y=index // wide * (rows + gap),
            width=columns,
            height=rows,
        )
        for index in range(arrays)
    ]
    band = 0.25 * tall
    kinds = facts.chip.kinds
    tiles.append(Tile("vector unit", VECTORS, 0, tall, width, band))
    tiles.append(
        Tile(kinds.get("memory.sram", kinds.get("memory.cache", "on-die memory")), "", 0, tall + band, width, band)
    )
    tiles.append(Tile(kinds.get("memory.main", "main memory"), MAIN, 0, tall + 2 * band, width, band))
    return tuple(tiles)
