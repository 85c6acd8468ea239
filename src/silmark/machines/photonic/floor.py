"""The floor plan: photonic dies with modulators, cells and readout, the electronic dies beneath."""

from __future__ import annotations

from silmark.machines.base import Facts, Tile

_EDGE, _GAP = 12.0, 10.0
"""Modulators, weight drivers and converters around the cells, in units of a cell."""


def floorplan(facts: Facts) -> tuple[Tile, ...]:
    """Cores beside each other, cell by cell to scale; the electronic dies below them."""
    rows, columns, cores = (facts.of_chip(f"compute.{key}").value for key in ("rows", "columns", "arrays"))
    pitch = columns + _EDGE + _GAP
    tiles: list[Tile] = []
    for core in range(round(cores)):
        x = core * pitch
        tiles += [
            Tile("modulators", f"core {core} light", x, _EDGE, _EDGE, rows),
            Tile(
                f"core {core}: {rows:.0f} x {columns:.0f} cells", f"core {core} light", x + _EDGE, _EDGE, columns, rows
            ),
            Tile("amplifiers, ADCs", f"core {core} light", x + _EDGE, 0, columns, _EDGE),
            Tile("weights", f"core {core} weights", x + _EDGE, _EDGE + rows, columns, _EDGE),
        ]
    width = cores * pitch - _GAP
    names = (("digital unit", "digital unit"), ("SRAM", "SRAM"), ("host link", "host link"), ("lasers", ""))
    part = (width - _GAP * (len(names) - 1)) / len(names)
    for number, (label, unit) in enumerate(names):
        tiles.append(Tile(label, unit, number * (part + _GAP), -_GAP - rows / 2, part, rows / 2))
    return tuple(tiles)
