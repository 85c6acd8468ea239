"""The floor plan: photonic dies with modulators, cells and readout, the electronic dies beneath."""

from __future__ import annotations

from silmark.machines.base import Facts, Tile

_EDGE, _GAP = 26.0, 12.0
"""Modulators, weight drivers and converters around the cells, in units of a cell."""


def floorplan(facts: Facts) -> tuple[Tile, ...]:
    """Cores two by two, cell by cell to scale; the electronic dies below them."""
    rows, columns, cores = (round(facts.of_chip(f"compute.{key}").value) for key in ("rows", "columns", "arrays"))
    wide = min(2, cores)
    pitch, tall = columns + _EDGE + _GAP, rows + 2 * _EDGE + _GAP
    tiles: list[Tile] = []
    for core in range(cores):
        x, y, light = core % wide * pitch, core // wide * tall, f"core {core} light"
        tiles += [
            Tile("modulators", light, x, y + _EDGE, _EDGE, rows),
            Tile(f"core {core}\n{rows} x {columns} cells", light, x + _EDGE, y + _EDGE, columns, rows),
            Tile("amplifiers, ADCs", light, x + _EDGE, y, columns, _EDGE),
            Tile("weights", f"core {core} weights", x + _EDGE, y + _EDGE + rows, columns, _EDGE),
        ]
    names = (("digital unit", "digital unit"), ("SRAM", "SRAM"), ("host link", "host link"), ("lasers", ""))
    part = (wide * pitch - _GAP * len(names)) / len(names)
    for number, (label, unit) in enumerate(names):
        tiles.append(Tile(label, unit, number * (part + _GAP), -_GAP - 2 * _EDGE, part, 2 * _EDGE))
    return tuple(tiles)
