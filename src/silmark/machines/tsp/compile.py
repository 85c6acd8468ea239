"""Compiles a program: tensors become tiles in memory, tensor instructions become bursts at their cycles.

The compiler has seen the data once: like any post-training quantisation it calibrates the scales of 8-bit activations,
one per row, before the program runs. What is computed at run time is computed from the streams alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from silmark.machines.lowering import Lowered, MatMul, Move, Vector
from silmark.machines.semantics import move, vector
from silmark.machines.tsp.floor import Out, Plane, Tile
from silmark.machines.tsp.geometry import HALVES, Geometry
from silmark.machines.tsp.instructions import Place, Schedule, Values
from silmark.machines.tsp.numbers import CHUNK, codes, half, scaled, values
from silmark.machines.tsp.resources import NoRoom
from silmark.machines.tsp.schedule import Scheduler
from silmark.machines.tsp.tensors import (
    CODES,
    HALVES_,
    RIGHT,
    VECTOR,
    Form,
    Key,
    Tensor,
    cut,
    pieces,
    readers,
    stages,
    wanted,
    width,
)


class Compiler:
    """Walks the instructions once, placing as it goes."""

    def __init__(self, lowered: Lowered, geometry: Geometry, exact: bool, in_turn: bool) -> None:
        self.lowered, self.geometry, self.exact = lowered, geometry, exact
        self.known = values(lowered, exact)
        self.schedule = Scheduler(geometry, 1)
        self.memory: dict[Place, Values] = {}
        self.forms = wanted(lowered, exact)
        self.tensors: dict[str, Tensor] = {}
        self._stored: dict[str, Tile] = {}
        self._scales: dict[tuple[str, int], Values] = {}
        self._codes: dict[str, Values] = {}
        self._in_turn = in_turn
        self._not_before = 0

    def compile(self) -> Schedule:
        """The schedule.

        Raises:
            NoRoom: what must lie in memory at one time is more than it holds.
        """
        for one in self.lowered.instructions:
            if isinstance(one, MatMul) and one.stored:
                self._lay_weights(one)
        for name, value in self.lowered.tensors.items():
            if name not in self.lowered.weights:
                self._resident(self._tensor(name, half(value)))
        for one in self.lowered.instructions:
            match one:
                case MatMul():
                    self._product(one)
                case Vector():
                    self._vector(one)
                case Move():
                    self._move(one)
            for name in readers(one, self.lowered):
                self.tensors[name].release()
            if self._in_turn:
                self._not_before = self.schedule.cycles
        results = {
            name: {key: tile.place for key, tile in self.tensors[name].tiles[VECTOR].items()}
            for name in self.lowered.outputs
        }
        shapes = {name: self.known[name].shape for name in self.lowered.outputs}
        return Schedule(
            tuple(self.schedule.instructions),
            self.schedule.cycles,
            self.memory,
            results,
            shapes,
            max(floor.used_bytes for floor in self.schedule.floors),
        )

    def _tensor(self, name: str, value: Values) -> Tensor:
        groups = value.shape[0] if value.ndim == 3 else 1
        tensor = Tensor(name, groups, value.shape[-2], value.shape[-1], value.shape)
        tensor.uses = sum(name in readers(one, self.lowered) for one in self.lowered.instructions)
        tensor.uses += name in self.lowered.outputs
        tensor.tiles = {form: {} for form in self.forms.get(name, ())}
        self.tensors[name] = tensor
        if CODES in tensor.tiles:
            self._row_codes(name)
        return tensor

    def _matrix(self, name: str, group: int) -> Values:
        value = self.known[name]
        return value[group] if value.ndim == 3 else value

    def _resident(self, tensor: Tensor) -> None:
        """Lays an input into memory before the run, in every form that is wanted."""
        for form, tiles in tensor.tiles.items():
            for group in range(tensor.groups):
                whole = self._matrix(tensor.name, group)
                if form == RIGHT:
                    self._lay_right(tensor, whole, group)
                    continue
                whole = self._row_codes(tensor.name) if form == CODES else whole
                step = pieces(form, self.geometry.lanes)
                for first, rows in tensor.blocks():
                    for column in range(0, tensor.columns, step):
                        tile = self._room(rows, width(form), f"{tensor.name}.{form}")
                        tiles[group, first, column] = tile
                        self.memory[tile.place] = cut(whole, first, rows, column, step)

    def _room(self, rows: int, wide: int, key: str) -> Tile:
        floor = self.schedule.floors[0]
        start = floor.next_half()
        tile = floor.resident(start, rows, wide, key) or floor.resident(-start, rows, wide, key)
        if tile is None:
            raise NoRoom
        return tile

    def _lay_right(self, tensor: Tensor, whole: Values, group: int) -> None:
        """A computed operand that is an input (a cache without new tokens); it lies as weights do."""
        for k in range(0, tensor.rows, CHUNK):
            for n in range(0, tensor.columns, self.geometry.lanes):
                part = whole[k : k + CHUNK, n : n + self.geometry.lanes]
                tile = self._weight_room(2 * len(part), f"{tensor.name}.{group}.{k}.{n}")
                self.memory[tile.place] = part
                tensor.tiles[RIGHT][group, k, n] = tile

    def _weight_room(self, vectors: int, key: str, half_: int = 0) -> Tile:
        floor = self.schedule.floors[0]
        words = -(-vectors // self.geometry.load_streams)
        start = half_ or floor.next_half()
        tile = floor.stored(start, words, key) or floor.stored(-start, words, key)
        if tile is None:
            raise NoRoom
        return tile

    def _row_codes(self, name: str) -> Values:
        """8-bit codes of a whole tensor of activations; its scales are kept."""
        if name not in self._codes:
            self._codes[name], self._scales[name, -1] = codes(self.known[name], -1)
        return self._codes[name]

    def _lay_weights(self, one: MatMul) -> None:
        """Lays a stored matrix into memory before the run, its tiles on both halves in turn."""
        depth, lanes, exact = self._depth(one), self.geometry.lanes, self._is_exact(one)
        weight = self.known[one.right]
        if exact:
            weight, self._scales[one.right, -2] = codes(weight, -2)
        for i, k in enumerate(range(0, one.k, depth)):
            for j, n in enumerate(range(0, one.n, lanes)):
                part = weight[k : k + depth, n : n + lanes]
                key = f"{one.right}.{k}.{n}"
                tile = self._weight_room(len(part) * (1 if exact else 2), key, HALVES[(i + j) % 2])
                self.memory[tile.place] = np.ascontiguousarray(part if exact else half(part))
                self._stored[key] = tile

    def _is_exact(self, one: MatMul) -> bool:
        return self.exact and one.stored

    def _depth(self, one: MatMul) -> int:
        return self.geometry.lanes if self._is_exact(one) else CHUNK

    def _arrays(self, one: MatMul) -> list[tuple[Plane, ...]]:
        """Arrays of the chip for a product: every plane for itself, or the planes of each half together."""
        planes = self.schedule.floors[0].planes
        if self._is_exact(one):
            return [(plane,) for plane in planes]
        return [tuple(plane for plane in planes if plane.half == half_) for half_ in HALVES]

    def _product(self, one: MatMul) -> None:
        out = self._tensor(one.out, self.known[one.out])
        left = self.tensors[one.left]
        self._wait(left)
        depth, lanes = self._depth(one), self.geometry.lanes
        width_ = len(self._arrays(one))
        for group in range(one.batch):
            for n in range(0, one.n, lanes):
                chunks = range(0, one.k, depth)
                sums: dict[int, Tile] = {}
                begun = {row: 0 for row, _ in left.blocks()}
                while any(first < len(chunks) for first in begun.values()):
                    for row, rows in left.blocks():
                        some = self._together(one, group, row, chunks[begun[row] : begun[row] + width_])
                        begun[row] += len(some)
                        rest = chunks[begun[row] :]
                        if some:
                            sums[row] = self._part(one, out, (group, row, n), rows, some, sums.get(row), rest)

    def _left(self, one: MatMul, group: int, row: int, k: int) -> Tile:
        return self.tensors[one.left].tiles[CODES if self._is_exact(one) else HALVES_][group, row, k]

    def _together(self, one: MatMul, group: int, row: int, chunks: Sequence[int]) -> list[int]:
        """As many of the chunks as can be read at once: no two lie in one bank."""
        some: list[int] = []
        banks: set[int] = set()
        for k in chunks:
            tile = self._left(one, group, row, k)
            if banks & set(tile.place.banks):
                break
            banks |= set(tile.place.banks)
            some.append(k)
        return some

    def _wait(self, tensor: Tensor) -> None:
        """Of products in turn: an input stands for what the step before has made, so that it cannot be read sooner."""
        for tiles in tensor.tiles.values():
            for tile in tiles.values():
                tile.since = tuple(max(since, self._not_before) for since in tile.since)

    def _part(
        self, one: MatMul, out: Tensor, key: Key, rows: int, chunks: Sequence[int], before: Tile | None, rest: Sequence[int]
    ) -> Tile:
        """Some of the depth of one tile of the result; the tile of sums, to which the rest is added, or of the result."""
        group, row, n = key
        operands = []
        free = self._arrays(one)
        columns = min(self.geometry.lanes, one.n - n)
        for k in chunks:
            name = f"{one.right}.{k}.{n}" if one.stored else f"{one.right}.{group}.{k}.{n}"
            tile = self._stored[name] if one.stored else self.tensors[one.right].tiles[RIGHT][group, k, n]
            tile.key = name
            planes = min(free, key=lambda some: self._ready(some, tile))
            free.remove(planes)
            self.schedule.load(one.name, 0, tile, planes)
            work = min(self._depth(one), one.k - k) * columns
            operands.append((self._left(one, group, row, k), planes, work))
        fresh = len(operands) - (before is None)
        exact = self._is_exact(one)

        def add(parts: Sequence[Values]) -> Values:
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            return total

        if rest:
            avoid = {bank for k in rest for bank in self._left(one, group, row, k).place.banks}
            out_ = Out(one.out, rows, 4, avoid=frozenset(avoid))
            made = self.schedule.multiply(
                one.name, 0, rows, operands, before, [out_], max(1, fresh), lambda v: [add(v)], exact
            )
        else:
            outs, shape = self._outs(out, key, rows, columns)
            row_scale = self._scales[one.left, -1][row : row + rows] if exact else None
            column_scale = self._scales[one.right, -2][:, n : n + columns] if exact else None

            def finish(parts: Sequence[Values]) -> Sequence[Values]:
                total = add(parts)
                done = half(total) if row_scale is None else scaled(total, row_scale, column_scale)  # type: ignore[arg-type]
                return shape(done)

            operations = fresh + (3 if exact else 1) + (2 if CODES in out.tiles else 0)
            made = self.schedule.multiply(one.name, 0, rows, operands, before, outs, operations, finish, exact)
            self._keep(out, key, made, columns)
        if before is not None:
            before.release()
        return made[0]

    def _ready(self, planes: Sequence[Plane], tile: Tile) -> int:
        """When an array could begin, roughly: what it must load counts, and weights that must cross the chip."""
        far = self.geometry.mxm_at if planes[0].half != tile.half else 0
        fill = tile.length + self.geometry.mxm_at + far
        return max(p.free if p.holds == tile.key else max(p.free, p.started + fill) for p in planes)

    def _outs(
        self, tensor: Tensor, key: Key, rows: int, columns: int
    ) -> tuple[list[Out], Callable[[Values], list[Values]]]:
        """Tiles of a region of a tensor that leave side by side, and how its values are cut into them."""
        outs, cuts = [], []
        for form in tensor.tiles:
            step = pieces(form, self.geometry.lanes)
            for column in range(0, columns, step):
                outs.append(Out(f"{tensor.name}.{form}", rows, width(form)))
                cuts.append((form, column, step))
        row = key[1]

        def shape(value: Values) -> list[Values]:
            made = []
            for form, column, step in cuts:
                made.append(self._as(form, tensor.name, value[:, column : column + step], row))
            return made

        return outs, shape

    def _as(self, form: Form, name: str, part: Values, row: int) -> Values:
        """Rows of a tensor in a form: 8-bit codes by the scales that the compiler has chosen, else as they are."""
        return np.rint(part / self._scales[name, -1][row : row + len(part)]) if form == CODES else part

    def _keep(self, tensor: Tensor, key: Key, tiles: Sequence[Tile], columns: int) -> None:
        """Remembers the tiles of a region, in the order of `_outs`."""
        group, row, first = key
        left = iter(tiles)
        for form, kept in tensor.tiles.items():
            for column in range(0, columns, pieces(form, self.geometry.lanes)):
                kept[group, row, first + column] = next(left)

    def _vector(self, one: Vector) -> None:
        """Element by element in one pass; what needs whole rows in several."""
        out = self._tensor(one.out, self.known[one.out])
        inputs = [self.tensors[name] for name in one.inputs if name not in self.lowered.weights]
        learned = [self.known[name] for name in one.inputs if name in self.lowered.weights]
        lanes, passes = self.geometry.lanes, stages(one)
        for group in range(out.groups):
            for row, rows in out.blocks():
                columns = range(0, out.columns, lanes)
                if len(passes) == 1 and (one.operation != "rotary" or out.columns <= lanes):
                    for column in columns:
                        self._element_wise(one, out, inputs, (group, row, column), rows)
                else:
                    self._row_wise(one, out, inputs[0], learned, (group, row, 0), rows)

    def _element_wise(self, one: Vector, out: Tensor, inputs: Sequence[Tensor], key: Key, rows: int) -> None:
        columns = min(self.geometry.lanes, out.columns - key[2])
        outs, shape = self._outs(out, key, rows, columns)
        tiles = [tensor.tiles[VECTOR][key] for tensor in inputs]

        def work(parts: Sequence[Values]) -> Sequence[Values]:
            return shape(half(vector(one, parts, key[1])))

        made, _ = self.schedule.vector(one.name, 0, tiles, outs, stages(one)[0], work)
        self._keep(out, key, made, columns)

    def _row_wise(self, one: Vector, out: Tensor, x: Tensor, learned: Sequence[Values], key: Key, rows: int) -> None:
        group, row, _ = key
        lanes, passes = self.geometry.lanes, stages(one)
        seen: dict[int, Values] = {}
        done: list[Values] = []
        after = 0
        for number, operations in enumerate(passes):
            ends = []
            for column in range(0, out.columns, lanes):
                tile = x.tiles[VECTOR][group, row, column]
                columns = min(lanes, out.columns - column)
                last = number == len(passes) - 1
                outs, shape = self._outs(out, (group, row, column), rows, columns) if last else ([], list)

                def note(parts: Sequence[Values], at: int = column) -> Sequence[Values]:
                    seen[at] = parts[0]
                    return ()

                def give(
                    _: Sequence[Values], at: int = column, cut_: Callable[[Values], list[Values]] = shape
                ) -> Sequence[Values]:
                    if not done:
                        whole = np.concatenate([seen[one_] for one_ in sorted(seen)], axis=1)
                        done.append(half(vector(one, [whole, *learned], row)))
                    return cut_(done[0][:, at : at + lanes])

                work = give if last else note
                made, end = self.schedule.vector(one.name, 0, [tile], outs, operations, work, after)
                ends.append(end)
                if last:
                    self._keep(out, (group, row, column), made, columns)
            after = max(ends) + self.geometry.sxm  # lanes of a row meet in an SXM

    def _move(self, one: Move) -> None:
        """Each piece of the result through an SXM, from the tiles that hold it."""
        out = self._tensor(one.out, self.known[one.out])
        inputs = [self.tensors[name] for name in one.inputs]
        for group, first, columns in self._regions(one, out):
            wanted_ = [
                (tensor, key, tile)
                for tensor in inputs
                for key, tile in tensor.tiles[VECTOR].items()
                if self._overlaps(one, tensor, key, (group, first, columns))
            ]
            keys = [(tensor.name, key) for tensor, key, _ in wanted_]
            outs, places = self._move_outs(out, group, first, columns)

            def work(
                parts: Sequence[Values],
                keys_: Sequence[tuple[str, Key]] = keys,
                region: Key = (group, first, columns),
                places_: Sequence[tuple[str, int, int, int, int]] = places,
            ) -> Sequence[Values]:
                value = self._moved(one, out, dict(zip(keys_, parts, strict=True)), region)
                return [self._as(form, out.name, value[r : r + rs, c : c + cs], r) for form, r, rs, c, cs in places_]

            made = self.schedule.permute(one.name, 0, [tile for *_, tile in wanted_], outs, work)
            for tile, (form, row, _, column, _) in zip(made, places, strict=True):
                out.tiles[form][group, row, first + column] = tile

    def _regions(self, one: Move, out: Tensor) -> list[Key]:
        """Pieces of the result that are moved at once: group, first column, columns."""
        if one.layout == "merge-heads":
            step = self.geometry.lanes
            return [(0, c, min(step, out.columns - c)) for c in range(0, out.columns, step)]
        return [(group, 0, out.columns) for group in range(out.groups)]

    def _overlaps(self, one: Move, tensor: Tensor, key: Key, region: Key) -> bool:
        """Whether a tile of an input holds any of a region of the result."""
        group, first, columns = region
        if one.layout == "split-heads":
            wide = tensor.columns // one.settings["groups"]
            return key[2] < (group + 1) * wide and key[2] + self.geometry.lanes > group * wide
        if one.layout == "merge-heads":
            wide = self.tensors[one.out].columns // one.settings["groups"]
            return first < (key[0] + 1) * wide and first + columns > key[0] * wide
        return key[0] == group

    def _move_outs(
        self, out: Tensor, group: int, first: int, columns: int
    ) -> tuple[list[Out], list[tuple[str, int, int, int, int]]]:
        """Tiles of a region of a moved tensor: what leaves, and (form, row, rows, column, columns) of each."""
        del group, first
        outs, places = [], []
        for form in out.tiles:
            blocks = (
                out.blocks() if form != RIGHT else ((k, min(CHUNK, out.rows - k)) for k in range(0, out.rows, CHUNK))
            )
            for row, rows in blocks:
                for column in range(0, columns, pieces(form, self.geometry.lanes)):
                    wide = min(pieces(form, self.geometry.lanes), columns - column)
                    words = -(-2 * rows // self.geometry.load_streams) if form == RIGHT else 0
                    key = f"{out.name}.{form}"
                    outs.append(Out(key, 2 * rows, 1, words) if words else Out(key, rows, width(form)))
                    places.append((form, row, rows, column, wide))
        return outs, places

    def _moved(self, one: Move, out: Tensor, parts: dict[tuple[str, Key], Values], region: Key) -> Values:
        """The values of a region of the result, from the tiles that were read; what was not read is not needed."""
        group, first, columns = region
        inputs = []
        for name in one.inputs:
            tensor = self.tensors[name]
            whole = np.zeros((tensor.groups, tensor.rows, tensor.columns), dtype=np.float32)
            for (of, (g, r, c)), value in parts.items():
                if of == name:
                    whole[g, r : r + value.shape[0], c : c + value.shape[1]] = value
            inputs.append(whole.reshape(tensor.shape))
        moved = move(one, inputs)
        matrix = moved[group] if moved.ndim == 3 else moved
        return matrix[:, first : first + columns]
