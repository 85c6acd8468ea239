"""Products: depth by depth through the arrays, sums in the VXM, and what follows them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from silmark.machines.lowering import MatMul, Vector
from silmark.machines.semantics import vector
from silmark.machines.tsp.chains import Chain, finish, quantise
from silmark.machines.tsp.floor import Out, Plane, Tile
from silmark.machines.tsp.geometry import HALVES
from silmark.machines.tsp.instructions import Values
from silmark.machines.tsp.layout import Layout
from silmark.machines.tsp.numbers import half, scaled
from silmark.machines.tsp.schedule import Task
from silmark.machines.tsp.tensors import CODES, HALVES_, RIGHT, VECTOR, Form, Key, Tensor, pieces, stages, width


class Products(Layout):
    """Places matrix products."""

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

    def _arrays(self, one: MatMul) -> list[tuple[Plane, ...]]:
        """Arrays of the chip for a product: every plane for itself, or the planes of each half together."""
        planes = self.schedule.floors[self._chip].planes
        if self._is_exact(one):
            return [(plane,) for plane in planes]
        return [tuple(plane for plane in planes if plane.half == half_) for half_ in HALVES]

    def _product(self, chain: Chain) -> None:
        """A product, and what follows it element by element."""
        one, then = chain[0], [follows for follows in chain[1:] if isinstance(follows, Vector)]
        assert isinstance(one, MatMul)
        out = self._tensor(chain[-1].out, self.known[chain[-1].out])
        left = self._here(one.left)
        self._wait(left)
        most = self._most(one, then, out)
        for group in range(one.batch):
            for n in range(0, one.n, self.geometry.lanes):
                chunks: Sequence[int] = range(0, one.k, self._depth(one))
                sums: dict[int, Tile] = {}
                begun = {row: 0 for row, _ in left.blocks()}
                while any(first < len(chunks) for first in begun.values()):
                    for row, rows in left.blocks():
                        some = self._together(one, group, row, chunks[begun[row] :])
                        rest = chunks[begun[row] + len(some) :]
                        if not rest and len(some) > most:
                            some, rest = some[:most], some[most:]
                        begun[row] += len(some)
                        key, before = (group, row, n), sums.get(row)
                        if rest:
                            sums[row] = self._part(one, key, rows, some, before, rest)
                        elif some:
                            self._last(one, then, out, key, rows, some, before)

    def _most(self, one: MatMul, then: Sequence[Vector], out: Tensor) -> int:
        """Parts of the depth that can meet at last: additions leave ALUs for what follows them."""
        taken = finish(self._is_exact(one)) + sum(stages(follows)[0] for follows in then) + quantise(CODES in out.tiles)
        return self.geometry.alus - taken

    def _left(self, one: MatMul, group: int, row: int, k: int) -> Tile:
        return self._here(one.left).tiles[CODES if self._is_exact(one) else HALVES_][group, row, k]

    def _together(self, one: MatMul, group: int, row: int, chunks: Sequence[int]) -> list[int]:
        """As many of the chunks as there are arrays and as can be read at once: no two lie in one bank."""
        some: list[int] = []
        banks: set[int] = set()
        for k in chunks[: len(self._arrays(one))]:
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
        self, one: MatMul, key: Key, rows: int, chunks: Sequence[int], before: Tile | None, rest: Sequence[int]
    ) -> Tile:
        """Some of the depth of one tile of the result: the tile of sums, which the rest is added to."""
        group, row, _ = key
        operands = self._operands(one, key, chunks)
        avoid = {bank for k in rest for bank in self._left(one, group, row, k).place.banks}
        out = Out(one.out, rows, 4, avoid=frozenset(avoid))
        additions = len(operands) - (before is None)
        task = Task(one.name, self._chip, rows, max(1, additions), lambda parts: [_added(parts)])
        beside = [] if before is None else [before]
        (made,) = self.schedule.multiply(task, operands, beside, [out], self._is_exact(one))
        if before is not None:
            before.release()
        return made

    def _last(
        self,
        one: MatMul,
        then: Sequence[Vector],
        out: Tensor,
        key: Key,
        rows: int,
        chunks: Sequence[int],
        before: Tile | None,
    ) -> None:
        """The last part of the depth: sums become values, go through what follows them, and are written."""
        _, row, n = key
        operands, exact = self._operands(one, key, chunks), self._is_exact(one)
        columns = min(self.geometry.lanes, out.columns - n)
        outs, shape = self._outs(out, key, rows, columns)
        row_scale = self._scales[one.left, -1][row : row + rows] if exact else None
        column_scale = self._scales[one.right, -2][:, n : n + columns] if exact else None
        made_here = {one.out, *(follows.out for follows in then)}
        others = [name for follows in then for name in follows.inputs if name not in made_here]
        beside = [self._here(name).tiles[VECTOR][key] for name in others]
        beside += [] if before is None else [before]

        def work(parts: Sequence[Values]) -> Sequence[Values]:
            given = dict(zip(others, parts[: len(others)], strict=True))
            total = _added(parts[len(others) :])
            done = half(total) if row_scale is None else scaled(total, row_scale, column_scale)  # type: ignore[arg-type]
            given[one.out] = done
            for follows in then:
                done = half(vector(follows, [given[name] for name in follows.inputs], row))
                given[follows.out] = done
            return shape(done)

        operations = len(operands) - (before is None) + self.geometry.alus - self._most(one, then, out)
        task = Task(one.name, self._chip, rows, operations, work)
        made = self.schedule.multiply(task, operands, beside, outs, exact)
        self._keep(out, key, made, columns)
        if before is not None:
            before.release()

    def _operands(self, one: MatMul, key: Key, chunks: Sequence[int]) -> list[tuple[Tile, Sequence[Plane], int]]:
        """Activations of each chunk, the array that its weights were brought to, multiply-adds of one row."""
        group, row, n = key
        operands: list[tuple[Tile, Sequence[Plane], int]] = []
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
        return operands

    def _ready(self, planes: Sequence[Plane], tile: Tile) -> int:
        """When an array could begin, roughly: what it must load counts, and weights that must cross the chip."""
        far = self.geometry.mxm_at if planes[0].half != tile.half else 0
        fill = tile.length + self.geometry.mxm_at + far
        return max(p.free if p.holds == tile.key else max(p.free, p.started + fill) for p in planes)


def _added(parts: Sequence[Values]) -> Values:
    """Sums in the order of the depth."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
