"""Where a program's tensors lie: what is in memory before the run, on which chip, in which forms, with which scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from silmark.machines.lowering import Instruction, Lowered, MatMul
from silmark.machines.tsp.floor import Tile
from silmark.machines.tsp.geometry import HALVES, Geometry
from silmark.machines.tsp.instructions import Place, Values
from silmark.machines.tsp.numbers import CHUNK, codes, half, values
from silmark.machines.tsp.resources import NoRoom
from silmark.machines.tsp.schedule import Scheduler
from silmark.machines.tsp.tensors import (
    CODES,
    RIGHT,
    Tensor,
    cut,
    pieces,
    quantised_early,
    readers,
    stages_of,
    wanted,
    width,
)


class Layout:
    """Tensors, weights and scales of a program, as the compiler walks it."""

    def __init__(
        self, lowered: Lowered, geometry: Geometry, *, exact: bool = True, in_turn: bool = False, chips: int = 1
    ) -> None:
        self.lowered, self.geometry, self.exact = lowered, geometry, exact
        self.known = values(lowered, exact)
        self.schedule = Scheduler(geometry, chips)
        self._stages = stages_of(lowered, chips)
        self._chip = 0
        self.memory: dict[Place, Values] = {}
        self.forms = wanted(lowered, exact)
        self._merged = {name: merged for merged, name in quantised_early(lowered).items()}
        self._made: dict[str, Tensor] = {}
        self._sent: dict[tuple[str, int], Tensor] = {}
        self._elsewhere: dict[tuple[str, int], int] = {}
        self._stored: dict[str, Tile] = {}
        self._scales: dict[tuple[str, int], Values] = {}
        self._codes: dict[str, Values] = {}
        self._in_turn = in_turn
        self._not_before = 0

    def _staged(self) -> Iterator[tuple[int, Instruction]]:
        """Instructions with their chips."""
        return zip(self._stages, self.lowered.instructions, strict=True)

    def _tensor(self, name: str, value: Values) -> Tensor:
        """A tensor that this chip makes or holds from the start, not yet any tile of it."""
        groups = value.shape[0] if value.ndim == 3 else 1
        tensor = Tensor(name, groups, value.shape[-2], value.shape[-1], value.shape, self._chip)
        readers_ = [chip for chip, one in self._staged() if name in readers(one, self.lowered)]
        tensor.uses = readers_.count(self._chip) + len(set(readers_) - {self._chip}) + (name in self.lowered.outputs)
        self._elsewhere |= {(name, chip): readers_.count(chip) for chip in set(readers_) - {self._chip}}
        tensor.tiles = {form: {} for form in self.forms.get(name, ())}
        self._made[name] = tensor
        if CODES in tensor.tiles:
            self._scale_rows(tensor)
        return tensor

    def _scale_rows(self, tensor: Tensor) -> None:
        """Scales of a tensor whose codes are wanted; heads that will be merged have those of the merged rows."""
        merged = self._merged.get(tensor.name)
        self._row_codes(merged or tensor.name)
        if merged:
            scales = self._scales[merged, -1]
            self._scales[tensor.name, -1] = np.tile(scales, (tensor.rows // len(scales), 1))

    def _here(self, name: str) -> Tensor:
        """A tensor on this chip, sent to it when it is first needed."""
        made = self._made[name]
        if made.chip == self._chip:
            return made
        if (name, self._chip) not in self._sent:
            copy = replace(made, chip=self._chip, uses=self._elsewhere[name, self._chip], tiles={})
            for form, tiles in made.tiles.items():
                link = (made.chip, self._chip)
                copy.tiles[form] = {key: self.schedule.send(name, link, tile) for key, tile in tiles.items()}
            self._sent[name, self._chip] = copy
            made.release()
        return self._sent[name, self._chip]

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
        floor = self.schedule.floors[self._chip]
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
        floor = self.schedule.floors[self._chip]
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
