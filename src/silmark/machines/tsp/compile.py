"""Compiles a program: tensors become tiles in memory, tensor instructions become bursts at their cycles.

The compiler has seen the data once: like any post-training quantisation it calibrates the scales of 8-bit activations,
one per row, before the program runs. What is computed at run time is computed from the streams alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from silmark.machines.lowering import MatMul, Move, Vector
from silmark.machines.semantics import vector
from silmark.machines.tsp.chains import Chain, chained, quantise
from silmark.machines.tsp.instructions import Schedule, Values
from silmark.machines.tsp.moves import batches, due, moved, tiles_of
from silmark.machines.tsp.numbers import half
from silmark.machines.tsp.products import Products
from silmark.machines.tsp.schedule import Task
from silmark.machines.tsp.tensors import (
    CODES,
    VECTOR,
    Key,
    Tensor,
    readers,
    stages,
)


class Compiler(Products):
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
        for chip, chain in chained(self.lowered, self._stages, self.geometry.alus):
            self._chip = chip
            match chain[0]:
                case MatMul():
                    self._product(chain)
                case Vector():
                    self._vector(chain[0])
                case Move():
                    self._move(chain)
            inside = {one.out for one in chain[:-1]}
            for one in chain:
                for name in readers(one, self.lowered):
                    if name not in inside:
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
            self.schedule.cycles + self.geometry.skew,
            self.memory,
            results,
            shapes,
            max(floor.used_bytes for floor in self.schedule.floors),
        )

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
        operations = stages(one)[0] + quantise(CODES in out.tiles)

        def work(parts: Sequence[Values]) -> Sequence[Values]:
            return shape(half(vector(one, parts, key[1])))

        made, _ = self.schedule.vector(Task(one.name, self._chip, rows, operations, work), tiles, outs)
        self._keep(out, key, made, columns)

    def _row_wise(self, one: Vector, out: Tensor, x: Tensor, learned: Sequence[Values], key: Key, rows: int) -> None:
        group, row, _ = key
        lanes, passes = self.geometry.lanes, list(stages(one))
        passes[-1] += quantise(CODES in out.tiles)
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

    def _move(self, chain: Chain) -> None:
        """Tiles through an SXM; what it gives begins when the rows that it needs are there."""
        ways = [one for one in chain if isinstance(one, Move)]
        out = self._tensor(ways[-1].out, self.known[ways[-1].out])
        tensors = {name: self._here(name) for name in ways[0].inputs}
        for keys, some in batches(ways, tensors, out, self.geometry.lanes).items():
            self._exchange(ways, tensors, out, keys, some)

    def _exchange(
        self,
        ways: Sequence[Move],
        tensors: Mapping[str, Tensor],
        out: Tensor,
        keys: Sequence[tuple[str, Key]],
        regions: Sequence[Key],
    ) -> None:
        """Reads tiles once, by the names and keys of their tensors, and gives all regions that lie in them."""
        tiles = [tensors[name].tiles[tensors[name].moving()][key] for name, key in keys]
        cut = [(region, *tiles_of(ways[-1], out, region[2], self.geometry)) for region in regions]

        def work(parts: Sequence[Values]) -> Sequence[Values]:
            held = dict(zip(keys, parts, strict=True))
            made = []
            for region, _, places in cut:
                value = moved(ways, tensors, held, region)
                made += [value[r : r + rows, c : c + columns] for _, r, rows, c, columns in places]
            return made

        def begin(cycles: Sequence[int]) -> Sequence[int]:
            first, lanes = dict(zip(keys, cycles, strict=True)), self.geometry.lanes
            return [cycle for region, _, places in cut for cycle in due(ways, tensors, first, region, places, lanes)]

        outs = [tile for _, more, _ in cut for tile in more]
        made = iter(self.schedule.permute(ways[-1].name, self._chip, tiles, outs, work, begin))
        for (group, first, _), _, places in cut:
            for form, row, _, column, _ in places:
                out.tiles[form][group, row, first + column] = next(made)
