"""Which core does what when: a static list schedule of installs and vectors, digital work beside.

Tiles of a product go to the core that can take its vectors first. Installs of stored weights wait for their cells
alone, so that they run ahead of the data; vectors wait for the tile, for the core's light and for their operand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, inf

from silmark.machines.lowering import Instruction, Lowered, MatMul, Move, Vector
from silmark.machines.photonic.geometry import ACTIVATION_BYTES, RESULT_BYTES, Geometry
from silmark.machines.photonic.instructions import Calibrate, Digital, Fetch, Fire, Install, Schedule, Step, Store, Tile
from silmark.machines.vectors import operations


def schedule(geometry: Geometry, lowered: Lowered, hours: float) -> Schedule:
    """The shorter of two schedules of a program that begins so many hours after a calibration.

    Tiles that share out their vectors end sooner and hold up the installs of what follows: one schedule lets them
    wherever that is quicker for the product, the other where it saves more than it holds up.
    """
    since = hours * 3600 * geometry.clock
    found = [_Scheduler(geometry, since, held_up).schedule(lowered.instructions) for held_up in (1.0, 0.0)]
    return min(found, key=lambda one: one.cycles)


class _Core:
    """One core over time: its light, its weight bus, and from when each plane may be written."""

    def __init__(self, planes: int, start: int = 0) -> None:
        self.light = start
        self.bus = start
        self.planes = [start] * planes

    def next_plane(self) -> int:
        """The plane that is free first."""
        return self.planes.index(min(self.planes))


class _Scheduler:
    """Fills a schedule."""

    def __init__(self, geometry: Geometry, since: float, held_up: float) -> None:
        """`since`: cycles since the last calibration; `held_up`: weight of what sharing costs others, see `jobs`."""
        self._geometry, self._held_up = geometry, held_up
        self._cores = [_Core(geometry.planes) for _ in range(geometry.cores)]
        cores = range(geometry.cores if geometry.prefilled else 0)
        self._prefilled = {(core, plane) for core in cores for plane in range(geometry.planes)}
        self._ready: dict[str, int] = {}
        self._digital = self._sram = self._host = 0
        self._installed: list[int] = []  # until when this tile and all before it are written
        self._staged = max(1, int(geometry.staging / geometry.tile_bytes))
        self._due = geometry.period - since
        self._now = 0
        self.steps: list[Step] = []

    def schedule(self, instructions: Sequence[Instruction]) -> Schedule:
        """Everything in program order."""
        for one in instructions:
            if isinstance(one, MatMul) and on_optics(one, self._geometry):
                if max(core.light for core in self._cores) >= self._due:
                    self._calibrate()
                end = self._product(one)
            else:
                end = self._electronic(one)
            self._ready[one.out] = end
            self._now = max(self._now, end)
        return Schedule(tuple(self.steps), self._now)

    def _calibrate(self) -> None:
        start = max(max(core.light, core.bus) for core in self._cores)
        self.steps.append(Calibrate(start, self._geometry.calibration))
        end = start + self._geometry.calibration
        self._cores = [_Core(self._geometry.planes, end) for _ in self._cores]
        self._prefilled.clear()
        self._due = end + self._geometry.period

    def _inputs(self, one: Instruction) -> int:
        """When all operands of an instruction are there."""
        names = (one.left, one.right) if isinstance(one, MatMul) else one.inputs
        return max((self._ready.get(name, 0) for name in names), default=0)

    def _product(self, one: MatMul) -> int:
        arrives = self._inputs(one)
        fires = [self._job(*job, arrives) for job in jobs(one, self._geometry, self._held_up)]
        last = max(fire.start + fire.vectors for fire in fires) + self._geometry.pipeline
        return max(last, self._through_sram(one, min(fire.start for fire in fires)))

    def _job(self, tile: Tile, first: int, last: int, arrives: int) -> Fire:
        """Installs a tile on the core on which its vectors can pass first, and lets them pass."""
        stored = tile.product.stored
        known = 0 if stored else arrives
        begins = [self._begin(number, stored, known, arrives) for number in range(len(self._cores))]
        number = begins.index(min(begins))
        core = self._cores[number]
        plane = core.next_plane()
        if stored and (number, plane) in self._prefilled:
            self._prefilled.discard((number, plane))
            start = ready = 0
        else:
            start = max(core.planes[plane], core.bus, known, self._fetch(tile))
            ready = core.bus = start + self._geometry.install
            if stored:
                self._installed.append(max([*self._installed[-1:], ready]))
        self.steps.append(Install(tile, number, plane, start, ready - start))
        fire = Fire(tile, number, plane, first, last, max(ready, core.light, arrives))
        core.light = core.planes[plane] = fire.start + fire.vectors
        self.steps.append(fire)
        return fire

    def _begin(self, number: int, stored: bool, known: int, arrives: int) -> int:
        """When vectors could pass a core, were its tile on the package."""
        core = self._cores[number]
        plane = core.next_plane()
        if stored and (number, plane) in self._prefilled:
            return max(core.light, arrives)
        return max(max(core.planes[plane], core.bus, known) + self._geometry.install, core.light, arrives)

    def _fetch(self, tile: Tile) -> int:
        """Brings a stored tile from the host, as far ahead as there is room to stage it; when it is there."""
        if not tile.product.stored or self._geometry.host == inf:
            return 0
        start = self._host
        if (
            len(self._installed) >= self._staged
        ):  # in the room of the tile that many before, once all of those are written
            start = max(start, self._installed[-self._staged])
        cycles = ceil(self._geometry.tile_bytes / self._geometry.host)
        self.steps.append(Fetch(tile, start, cycles))
        self._host = start + cycles
        return self._host

    def _electronic(self, one: Instruction) -> int:
        if isinstance(one, Move):
            return self._through_sram(one, self._inputs(one))
        start = max(self._digital, self._inputs(one))
        cycles = ceil(work(one, self._geometry) / self._geometry.digital)
        self.steps.append(Digital(one, start, cycles))
        self._digital = start + cycles
        return max(self._digital, self._through_sram(one, start))

    def _through_sram(self, one: Instruction, earliest: int) -> int:
        start = max(self._sram, earliest)
        cycles = ceil(moved(one, self._geometry) / self._geometry.sram)
        self.steps.append(Store(one, start, cycles))
        self._sram = start + cycles
        return self._sram


def on_optics(one: MatMul, geometry: Geometry) -> bool:
    """Whether a product runs on the cores: its right operand is a weight, or attention was asked for there."""
    return one.stored or geometry.optical_attention


def jobs(one: MatMul, geometry: Geometry, held_up: float = 0.0) -> Iterator[tuple[Tile, int, int]]:
    """Tiles of a product with the vectors that each job takes.

    Full waves take a tile per core. Tiles of the last wave are fewer; each is installed on several cores, which share
    its vectors, where that ends sooner.

    Args:
        one: a product.
        geometry: of the machine.
        held_up: weight of the installs beyond a tile's first, whose time the next product's lack.
    """
    tiles = [
        Tile(one, batch, k, n)
        for batch in range(one.batch)
        for n in range(ceil(one.n / geometry.columns))
        for k in range(ceil(one.k / geometry.rows))
    ]
    left = len(tiles) % geometry.cores

    def spent(share: int) -> float:
        waves = ceil(left * share / geometry.cores)
        further = (share - 1) * left * geometry.install / geometry.cores
        return waves * (geometry.install + ceil(one.m / share)) + held_up * further

    ways = {1, geometry.cores // left, geometry.cores} if left else {1}
    shares = min(sorted(ways), key=spent)
    for number, tile in enumerate(tiles):
        size = ceil(one.m / (shares if number >= len(tiles) - left else 1))
        for first in range(0, one.m, size):
            yield tile, first, min(first + size, one.m)


def work(one: Vector | MatMul, geometry: Geometry) -> float:
    """Operations of an instruction on the electronic dies."""
    return 2.0 * one.multiply_adds if isinstance(one, MatMul) else operations(one, geometry.exponential)


def moved(one: Instruction, geometry: Geometry) -> float:
    """Bytes that an instruction reads and writes in the on-package memory."""
    match one:
        case Move():
            return 2.0 * ACTIVATION_BYTES * one.elements
        case Vector():
            return float(ACTIVATION_BYTES * one.elements * (1 + len(one.inputs)))
        case MatMul() if on_optics(one, geometry):  # vectors once per column of tiles
            times = ceil(one.n / geometry.columns)
            return float(one.batch * one.m * (times * one.k * ACTIVATION_BYTES + one.n * RESULT_BYTES))
        case MatMul():
            return float(one.batch * ACTIVATION_BYTES * (one.m * one.k + one.k * one.n + one.m * one.n))
