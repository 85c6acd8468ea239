"""Compiles a program: tensors become tiles in memory, tensor instructions become bursts at their cycles.

The compiler has seen the data once: like any post-training quantisation it calibrates the scales of 8-bit activations,
one per row, before the program runs. What is computed at run time is computed from the streams alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from silmark.machines.lowering import MatMul, Move, Vector
from silmark.machines.semantics import vector
from silmark.machines.tsp.floor import Out, Plane, Tile
from silmark.machines.tsp.geometry import HALVES
from silmark.machines.tsp.instructions import Schedule, Values
from silmark.machines.tsp.layout import Layout
from silmark.machines.tsp.moves import Where, batches, due, moved, tiles_of
from silmark.machines.tsp.numbers import half, scaled
from silmark.machines.tsp.schedule import Task
from silmark.machines.tsp.tensors import (
    CODES,
    HALVES_,
    RIGHT,
    VECTOR,
    Form,
    Key,
    Tensor,
    pieces,
    readers,
    stages,
    width,
)


class Compiler(Layout):
    """Walks the instructions once, placing as it goes."""

    def compile(self) -> Schedule:
        """The schedule.

        Raises:
            NoRoom: what must lie in memory at one time is more than it holds.
        """
        for chip, one in self._staged():
            self._chip = chip
            if isinstance(one, MatMul) and one.stored:
                self._lay_weights(one)
        self._chip = 0
        for name, value in self.lowered.tensors.items():
            if name not in self.lowered.weights:
                self._resident(self._tensor(name, half(value)))
        for chip, one in self._staged():
            self._chip = chip
            match one:
                case MatMul():
                    self._product(one)
                case Vector():
                    self._vector(one)
                case Move():
                    self._move(one)
            for name in readers(one, self.lowered):
                self._here(name).release()
            if self._in_turn:
                self._not_before = self.schedule.cycles
        results = {
            name: {key: tile.place for key, tile in self._made[name].tiles[VECTOR].items()}
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

    def _arrays(self, one: MatMul) -> list[tuple[Plane, ...]]:
        """Arrays of the chip for a product: every plane for itself, or the planes of each half together."""
        planes = self.schedule.floors[self._chip].planes
        if self._is_exact(one):
            return [(plane,) for plane in planes]
        return [tuple(plane for plane in planes if plane.half == half_) for half_ in HALVES]

    def _product(self, one: MatMul) -> None:
        out = self._tensor(one.out, self.known[one.out])
        left = self._here(one.left)
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
        return self._here(one.left).tiles[CODES if self._is_exact(one) else HALVES_][group, row, k]

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
        self,
        one: MatMul,
        out: Tensor,
        key: Key,
        rows: int,
        chunks: Sequence[int],
        before: Tile | None,
        rest: Sequence[int],
    ) -> Tile:
        """Some of the depth of one tile of the result: the tile of sums, which the rest is added to, or the result."""
        group, row, n = key
        operands = []
        free = self._arrays(one)
        columns = min(self.geometry.lanes, one.n - n)
        for k in chunks:
            name = f"{one.right}.{k}.{n}" if one.stored else f"{one.right}.{group}.{k}.{n}"
            tile = self._stored[name] if one.stored else self._here(one.right).tiles[RIGHT][group, k, n]
            tile.key = name
            planes = min(free, key=lambda some: self._ready(some, tile))
            free.remove(planes)
            self.schedule.load(one.name, self._chip, tile, planes)
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
            task = Task(one.name, self._chip, rows, max(1, fresh), lambda parts: [add(parts)])
            made = self.schedule.multiply(task, operands, before, [out_], exact)
        else:
            outs, shape = self._outs(out, key, rows, columns)
            row_scale = self._scales[one.left, -1][row : row + rows] if exact else None
            column_scale = self._scales[one.right, -2][:, n : n + columns] if exact else None

            def finish(parts: Sequence[Values]) -> Sequence[Values]:
                total = add(parts)
                done = half(total) if row_scale is None else scaled(total, row_scale, column_scale)  # type: ignore[arg-type]
                return shape(done)

            operations = fresh + (3 if exact else 1) + (2 if CODES in out.tiles else 0)
            task = Task(one.name, self._chip, rows, operations, finish)
            made = self.schedule.multiply(task, operands, before, outs, exact)
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
        inputs = [self._here(name) for name in one.inputs if name not in self.lowered.weights]
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

        made, _ = self.schedule.vector(Task(one.name, self._chip, rows, stages(one)[0], work), tiles, outs)
        self._keep(out, key, made, columns)

    def _row_wise(self, one: Vector, out: Tensor, x: Tensor, learned: Sequence[Values], key: Key, rows: int) -> None:
        group, row, _ = key
        lanes, passes = self.geometry.lanes, stages(one)
        seen: dict[int, Values] = {}
        done: list[Values] = []
        after = 0
        for number, operations in enumerate(passes):
            first = []
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
                made, leaves = self.schedule.vector(
                    Task(one.name, self._chip, rows, operations, work), [tile], outs, after
                )
                first.append(leaves)
                if last:
                    self._keep(out, (group, row, column), made, columns)
            # lanes of a row meet in an SXM, and the next pass follows row by row
            after = max(first) + 2 * self.geometry.sxm_at + self.geometry.sxm

    def _move(self, one: Move) -> None:
        """Tiles through an SXM; what it gives begins when the rows that it needs are there."""
        out, lanes = self._tensor(one.out, self.known[one.out]), self.geometry.lanes
        tensors = {name: self._here(name) for name in one.inputs}
        for keys, some in batches(one, tensors, out, lanes).items():
            tiles = [tensors[name].tiles[VECTOR][key] for name, key in keys]
            cut = [(region, *tiles_of(one, out, region[2], self.geometry)) for region in some]

            def work(
                parts: Sequence[Values],
                keys: Sequence[tuple[str, Key]] = keys,
                cut: Sequence[tuple[Key, list[Out], list[Where]]] = cut,
            ) -> Sequence[Values]:
                held = dict(zip(keys, parts, strict=True))
                made = []
                for region, _, places in cut:
                    value = moved(one, tensors, held, region)
                    made += [self._as(f, out.name, value[r : r + rs, c : c + cs], r) for f, r, rs, c, cs in places]
                return made

            def begin(
                cycles: Sequence[int],
                keys: Sequence[tuple[str, Key]] = keys,
                cut: Sequence[tuple[Key, list[Out], list[Where]]] = cut,
            ) -> Sequence[int]:
                first = dict(zip(keys, cycles, strict=True))
                return [cycle for region, _, places in cut for cycle in due(one, tensors, first, region, places, lanes)]

            outs = [tile for _, more, _ in cut for tile in more]
            made = iter(self.schedule.permute(one.name, self._chip, tiles, outs, work, begin))
            for (group, first, _), _, places in cut:
                for form, row, _, column, _ in places:
                    out.tiles[form][group, row, first + column] = next(made)
