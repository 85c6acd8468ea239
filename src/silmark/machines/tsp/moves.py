"""What an SXM does with tiles: which pieces of a moved tensor go together, from which tiles they come, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from silmark.machines.lowering import Move
from silmark.machines.semantics import move
from silmark.machines.tsp.floor import Out
from silmark.machines.tsp.geometry import Geometry
from silmark.machines.tsp.instructions import Values
from silmark.machines.tsp.numbers import CHUNK
from silmark.machines.tsp.tensors import RIGHT, Form, Key, Tensor, pieces, width

Where = tuple[Form, int, int, int, int]
"""Form of a tile, its first row, rows, first column, columns."""


def batches(
    ways: Sequence[Move], tensors: Mapping[str, Tensor], out: Tensor, lanes: int
) -> dict[tuple[tuple[str, Key], ...], list[Key]]:
    """Regions of the result by the tiles that hold them: these are read once for all that they hold."""
    found: dict[tuple[tuple[str, Key], ...], list[Key]] = {}
    for region in regions(ways[-1], out, lanes):
        held = tuple(
            (tensor.name, key)
            for tensor in tensors.values()
            for key in tensor.tiles[tensor.moving()]
            if overlaps(ways[0], tensor, out, key, region, lanes)
        )
        found.setdefault(held, []).append(region)
    return found


def regions(one: Move, out: Tensor, lanes: int) -> list[Key]:
    """Pieces of the result that are moved at once: group, first column, columns."""
    if one.layout == "merge-heads":
        return [(0, c, min(lanes, out.columns - c)) for c in range(0, out.columns, lanes)]
    return [(group, 0, out.columns) for group in range(out.groups)]


def overlaps(one: Move, tensor: Tensor, out: Tensor, key: Key, region: Key, lanes: int) -> bool:
    """Whether a tile of an input holds any of a region of the result."""
    group, first, columns = region
    if one.layout == "split-heads":
        wide = tensor.columns // one.settings["groups"]
        return key[2] < (group + 1) * wide and key[2] + lanes > group * wide
    if one.layout == "merge-heads":
        wide = out.columns // one.settings["groups"]
        return first < (key[0] + 1) * wide and first + columns > key[0] * wide
    return key[0] == group


def tiles_of(one: Move, out: Tensor, columns: int, geometry: Geometry) -> tuple[list[Out], list[Where]]:
    """Tiles of a region of a moved tensor: what leaves, and what part of the region each is.

    Rows of weights leave in two vectors each, side by side; a transposition has them all and gives more at once.
    """
    outs, places = [], []
    for form in out.tiles:
        blocks = out.blocks() if form != RIGHT else ((k, min(CHUNK, out.rows - k)) for k in range(0, out.rows, CHUNK))
        for row, rows in blocks:
            for column in range(0, columns, pieces(form, geometry.lanes)):
                wide = min(pieces(form, geometry.lanes), columns - column)
                key, side = f"{out.name}.{form}", geometry.load_streams
                if form == RIGHT:
                    streams = min(side, geometry.sxm_streams) if one.layout == "transpose" else 2
                    words = -(-2 * rows // side)
                    outs.append(Out(key, -(-side // streams) * words, streams, words))
                else:
                    outs.append(Out(key, rows, width(form)))
                places.append((form, row, rows, column, wide))
    return outs, places


def moved(
    ways: Sequence[Move], tensors: Mapping[str, Tensor], parts: Mapping[tuple[str, Key], Values], region: Key
) -> Values:
    """The values of a region of the result, from the tiles that were read; what was not read is not needed."""
    group, first, columns = region
    inputs = []
    for name in ways[0].inputs:
        tensor = tensors[name]
        whole = np.zeros((tensor.groups, tensor.rows, tensor.columns), dtype=np.float32)
        for (of, (g, r, c)), value in parts.items():
            if of == name:
                whole[g, r : r + value.shape[0], c : c + value.shape[1]] = value
        inputs.append(whole.reshape(tensor.shape))
    result = move(ways[0], inputs)
    for one in ways[1:]:
        result = move(one, [result])
    return (result[group] if result.ndim == 3 else result)[:, first : first + columns]


def due(
    ways: Sequence[Move],
    tensors: Mapping[str, Tensor],
    first: Mapping[tuple[str, Key], int],
    region: Key,
    places: Sequence[Where],
    lanes: int,
) -> list[int]:
    """The first cycle of each tile of a region at which no row leaves before all that it is made of came in.

    Cycles are moved as values are: each element of a tile that is read stands for the cycle at which it comes.

    Args:
        ways, tensors: as in `moved`.
        first: cycle at which each tile that is read begins to pass the SXM.
        region: of the result.
        places: its tiles.
        lanes: columns of a tile that is read.
    """
    start = max(first.values())
    parts = {}
    for (name, key), cycle in first.items():
        of = tensors[name]
        rows = dict(of.blocks())[key[1]]
        late = (cycle - start + np.arange(rows, dtype=np.float32))[:, None]
        parts[name, key] = np.broadcast_to(late, (rows, min(lanes, of.columns - key[2])))
    came = moved(ways, tensors, parts, region)
    found = []
    for _, row, rows, column, columns in places:
        late = came[row : row + rows, column : column + columns].max(1)
        lead = 0 if ways[-1].layout == "transpose" else np.arange(rows)
        found.append(start + max(0, int((late - lead).max())))
    return found
