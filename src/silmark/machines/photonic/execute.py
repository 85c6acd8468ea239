"""Steps a schedule with data, and finds what a core could not do.

The executor knows nothing of how the schedule was made. It keeps what every plane holds and when every tensor is there,
and raises where light passes a tile that is not whole, where an operand is missing, or where a unit is asked for twice.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from silmark.machines.lowering import Instruction, Lowered, MatMul, Move
from silmark.machines.photonic.geometry import Geometry
from silmark.machines.photonic.instructions import Calibrate, Digital, Fetch, Fire, Install, Schedule, Store, Tile
from silmark.machines.photonic.schedule import moved, work
from silmark.machines.run import Array, Event
from silmark.machines.semantics import Multiply, Round, apply

_HOUR_S = 3600.0
_ROUNDING = 1 + 1e-9
"""Rates per cycle are quotients of floating point."""


class Fault(AssertionError):
    """A schedule that the machine could not run: a defect of the scheduler, never of a program."""


class Optics(Protocol):
    """How a kind of core multiplies."""

    def install(self, core: int, tile: Tile, operand: Array, hours: float) -> object:
        """What the cells of a core hold of a tile of a whole operand (k, n), so many hours after calibration."""
        ...

    def fire(self, held: object, vectors: Array, seed: int) -> Array:
        """What a core gives for vectors (m, depth of the tile): (m, width of the tile), noise drawn from a seed."""
        ...


@dataclass(frozen=True, slots=True)
class Executed:
    """What a schedule did.

    Attributes:
        tensors: all, by name.
        cycles: of the last result, counted while stepping.
        busy: cycles of each unit.
        counts: of what costs energy.
        staged_bytes: the most that tiles on their way from the host to their cells took.
        events: what the units did.
    """

    tensors: dict[str, Array]
    cycles: int
    busy: dict[str, int]
    counts: dict[str, float]
    staged_bytes: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class _Plane:
    """What a plane of cells holds, since when, and until when light passes it."""

    tile: Tile
    held: object
    ready: int
    lit: int = 0


class Executor:
    """One run."""

    def __init__(self, geometry: Geometry, lowered: Lowered, optics: Optics, *, seed: int, hours: float) -> None:
        """`seed` of the program, which noise is drawn from; `hours` since the last calibration."""
        self._geometry, self._optics, self._seed = geometry, optics, seed
        self._tensors: dict[str, Array] = dict(lowered.tensors)
        self._ready: dict[str, int] = defaultdict(int)
        self._planes: dict[tuple[int, int], _Plane] = {}
        self._fetched: dict[Tile, int] = {}
        self._staged: list[tuple[int, int]] = []
        self._calibrated = -hours * _HOUR_S * geometry.clock
        self._claims: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._events: list[Event] = []
        self._sums: dict[str, tuple[int, NDArray[np.int64]]] = {}
        self._counts: dict[str, float] = defaultdict(float)

    def run(self, schedule: Schedule, multiply: Multiply, rounded: Round) -> Executed:
        """Executes all steps in the order of issue; `multiply` and `rounded` as the electronic dies do.

        Raises:
            Fault: the schedule breaks a law of the machine.
        """
        for step in schedule.steps:
            match step:
                case Fetch():
                    self._claim("host link", f"fetch {step.tile.product.name}", step)
                    self._fetched[step.tile] = step.start + step.cycles
                    self._staged.append((step.start, 1))
                    self._counts["host"] += self._geometry.tile_bytes
                case Install():
                    self._install(step)
                case Fire():
                    self._fire(step)
                case Store():
                    self._store(step)
                    if isinstance(step.one, Move):
                        self._compute(step.one, multiply, rounded)
                case Digital():
                    self._digital(step)
                    self._compute(step.one, multiply, rounded)
                case Calibrate():
                    self._calibrate(step)
        self._complete()
        cycles, most = max(self._ready.values(), default=0), self._most_staged()
        return Executed(self._tensors, cycles, self._busy(), dict(self._counts), most, tuple(self._events))

    def _claim(self, unit: str, name: str, step: Fetch | Install | Store | Digital | Calibrate) -> None:
        self._occupy(unit, name, step.start, step.cycles)

    def _occupy(self, unit: str, name: str, start: int, cycles: int) -> None:
        if cycles:
            self._claims[unit].append((start, start + cycles))
            self._events.append(Event(unit, name, start, cycles))

    def _arrived(self, one: Instruction) -> int:
        names = (one.left, one.right) if isinstance(one, MatMul) else one.inputs
        for name in names:
            if name not in self._tensors:
                raise Fault(f"{one.name} needs {name}, which nothing has computed")
        return max((self._ready[name] for name in names), default=0)

    def _operand(self, tile: Tile) -> Array:
        right = self._tensors[tile.product.right]
        return right[tile.batch] if right.ndim == 3 else right

    def _install(self, step: Install) -> None:
        tile, core = step.tile, step.core
        before = self._planes.get((core, step.plane))
        if before is not None and step.start < before.lit:
            raise Fault(f"core {core} is written while light passes {before.tile.product.name}")
        if not tile.product.stored and step.start < self._ready[tile.product.right]:
            raise Fault(f"{tile.product.name} is installed before it is computed")
        if step.cycles:
            if tile.product.stored and isfinite(self._geometry.host):
                if step.start < self._fetched.get(tile, step.start + 1):
                    raise Fault(f"{tile.product.name} is installed before it was fetched")
                self._staged.append((step.start + step.cycles, -1))
            self._counts["written"] += self._geometry.rows * self._geometry.columns
        self._claim(f"core {core} weights", f"install {tile.product.name}", step)
        if self._geometry.planes == 1:  # what is written gives no light
            self._claims[f"core {core} light"].append((step.start, step.start + step.cycles))
        hours = max(0.0, (step.start - self._calibrated) / self._geometry.clock / _HOUR_S)
        held = self._optics.install(core, tile, self._operand(tile), hours)
        self._planes[core, step.plane] = _Plane(tile, held, step.start + step.cycles)

    def _fire(self, step: Fire) -> None:
        tile, one, end = step.tile, step.tile.product, step.start + step.vectors
        plane = self._planes.get((step.core, step.plane))
        if plane is None or plane.tile != tile or step.start < plane.ready:
            raise Fault(f"vectors of {one.name} meet no whole tile on core {step.core} at {step.start}")
        if step.start < self._arrived(one):
            raise Fault(f"vectors of {one.name} pass before they are computed")
        self._planes[step.core, step.plane] = replace(plane, lit=end)
        self._occupy(f"core {step.core} light", one.name, step.start, step.vectors)
        depth, width = tile.bounds(self._geometry.rows, self._geometry.columns)
        left = self._tensors[one.left]
        vectors = (left[tile.batch] if left.ndim == 3 else left)[step.first : step.last, depth]
        place = f"{one.name} {tile.batch} {tile.k} {tile.n} {step.first}"
        seed = (self._seed << 31) ^ zlib.crc32(place.encode())
        made = self._optics.fire(plane.held, np.ascontiguousarray(vectors), seed)
        out, done = self._out(one)
        where = (tile.batch, slice(step.first, step.last), width)
        out[where] += made
        done[where] += 1
        self._ready[one.out] = max(self._ready[one.out], end + self._geometry.pipeline)
        self._counts["encoded"] += step.vectors * vectors.shape[1]
        self._counts["read out"] += made.size
        self._counts["lit"] += step.vectors * self._geometry.rows * self._geometry.columns

    def _out(self, one: MatMul) -> tuple[Array, NDArray[np.int64]]:
        """The accumulators of a product, and how many tiles each has summed."""
        shape = (one.batch, one.m, one.n)
        if one.out not in self._sums:
            batched = self._tensors[one.left].ndim == 3 or self._tensors[one.right].ndim == 3
            self._tensors[one.out] = np.zeros(shape if batched else shape[1:], np.float32)
            self._sums[one.out] = -(-one.k // self._geometry.rows), np.zeros(shape, np.int64)
        return self._tensors[one.out].reshape(shape), self._sums[one.out][1]

    def _store(self, step: Store) -> None:
        if step.start < self._arrived(step.one):
            raise Fault(f"operands of {step.one.name} are read before they are there")
        bytes_ = moved(step.one, self._geometry)
        if step.cycles * self._geometry.sram * _ROUNDING < bytes_:
            raise Fault(f"{step.one.name} moves {bytes_:,.0f} B in {step.cycles} cycles")
        self._claim("SRAM", step.one.name, step)
        self._counts["sram"] += bytes_
        self._ready[step.one.out] = max(self._ready[step.one.out], step.start + step.cycles)

    def _digital(self, step: Digital) -> None:
        if step.start < self._arrived(step.one):
            raise Fault(f"{step.one.name} begins before its operands are there")
        operations = work(step.one, self._geometry)
        if step.cycles * self._geometry.digital * _ROUNDING < operations:
            raise Fault(f"{step.one.name} is {operations:,.0f} operations in {step.cycles} cycles")
        self._claim("digital unit", step.one.name, step)
        self._counts["digital"] += operations
        self._ready[step.one.out] = step.start + step.cycles

    def _compute(self, one: Instruction, multiply: Multiply, rounded: Round) -> None:
        self._tensors[one.out] = np.asarray(apply(one, self._tensors, multiply, rounded), np.float32)

    def _calibrate(self, step: Calibrate) -> None:
        for core in range(self._geometry.cores):
            self._claim(f"core {core} light", "calibrate", step)
        self._planes.clear()
        self._calibrated = step.start + step.cycles

    def _complete(self) -> None:
        """Raises Fault where an output is not the sum over all of its depth, once."""
        for name, (tiles, done) in self._sums.items():
            if (done != tiles).any():
                raise Fault(f"{name} is not summed over its {tiles} tiles")

    def _most_staged(self) -> int:
        """Bytes of tiles that were fetched and not yet written; raises Fault where there is no room for them."""
        most = max(accumulate(change for _, change in sorted(self._staged)), default=0) * self._geometry.tile_bytes
        if most > self._geometry.staging:
            raise Fault(f"{most:,} B of tiles wait in {self._geometry.staging:,.0f} B")
        return most

    def _busy(self) -> dict[str, int]:
        """Busy cycles of every unit; raises Fault where it is asked for twice at one cycle."""
        for unit, spans in self._claims.items():
            spans.sort()
            for (_, end), (start, _) in pairwise(spans):
                if end > start:
                    raise Fault(f"{unit} is asked for twice at cycle {start}")
        busy: dict[str, int] = defaultdict(int)
        for event in self._events:
            busy[event.track] += event.cycles
        return dict(busy)
