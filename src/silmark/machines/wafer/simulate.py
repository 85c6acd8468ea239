"""The mesh event by event: every wavelet crosses every link, every core runs its instructions one after the other.

It knows no formula. On small meshes it shows that the recurrences and closed forms by which `reductions` and `products`
count large ones are right.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from silmark.machines.wafer.core import Core, wavelets
from silmark.machines.wafer.products import Tiles, work
from silmark.machines.wafer.reductions import Way, levels_of, ring

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Route:
    """A way through routers.

    Attributes:
        name: colour under which the wavelets arrive.
        places: cores from the sender to the last receiver, neighbours all.
        every: whether each core on the way receives too.
    """

    name: str
    places: tuple[Place, ...]
    every: bool = False


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a core.

    Attributes:
        receive: colour that it takes wavelets from, if it does.
        send: routes on which it sends what it took, or words of memory.
        count: wavelets.
        work: cycles of arithmetic, for an instruction without wavelets.
    """

    receive: str = ""
    send: tuple[Route, ...] = ()
    count: int = 0
    work: float = 0.0


@dataclass(slots=True)
class _State:
    program: deque[Instruction]
    since: float = 0.0
    done: int = 0
    last: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened.

    Attributes:
        cycles: until the last instruction of any core.
        links: wavelets over each directed link.
        waited: cycles that wavelets waited for a link.
    """

    cycles: float
    links: Mapping[tuple[Place, Place], int]
    waited: float


class _Mesh:
    """Events in order of time: wavelets that leave a router, and wavelets that reach one."""

    def __init__(self, core: Core, programs: Mapping[Place, Sequence[Instruction]]) -> None:
        self.core = core
        self.states = {place: _State(deque(program)) for place, program in programs.items()}
        self.events: list[tuple[float, int, bool, Route, int]] = []
        self.queues: dict[tuple[Place, str], deque[float]] = defaultdict(deque)
        self.free: dict[tuple[Place, Place], float] = defaultdict(float)
        self.loads: dict[tuple[Place, Place], int] = defaultdict(int)
        self.number = 0
        self.waited = self.finish = 0.0

    def run(self) -> Outcome:
        for place in self.states:
            self._advance(place)
        while self.events:
            time, _, reaches, route, index = heapq.heappop(self.events)
            if reaches:
                self._arrive(route, index, time)
            else:
                self._cross(route, index, time)
        assert not any(state.program for state in self.states.values()), "cores wait for wavelets that nobody sends"
        return Outcome(self.finish, dict(self.loads), self.waited)

    def _at(self, time: float, route: Route, index: int, *, reaches: bool) -> None:
        self.number += 1
        heapq.heappush(self.events, (time, self.number, reaches, route, index))

    def _cross(self, route: Route, index: int, now: float) -> None:
        """A wavelet leaves the index-th router of its route when the link is free; a link takes one per cycle."""
        link = (route.places[index], route.places[index + 1])
        leaves = max(now, self.free[link])
        self.waited += leaves - now
        self.free[link] = leaves + 1.0
        self.loads[link] += 1
        self._at(leaves + self.core.hop, route, index + 1, reaches=True)

    def _arrive(self, route: Route, index: int, now: float) -> None:
        last = index == len(route.places) - 1
        if last or route.every:
            place = route.places[index]
            self.queues[place, route.name].append(now)
            self._advance(place)
        if not last:
            self._cross(route, index, now)

    def _advance(self, place: Place) -> None:
        """Lets a core do what it can with the wavelets that it has."""
        state = self.states[place]
        while state.program:
            one = state.program[0]
            if not one.count:
                state.since += one.work
            elif not self._stream(state, one, self.queues[place, one.receive]):
                return
            self.finish = max(self.finish, state.since)
            state.program.popleft()

    def _stream(self, state: _State, one: Instruction, queue: deque[float]) -> bool:
        """Goes on with an instruction on wavelets; whether it ended."""
        while state.done < one.count:
            if one.receive and not queue:
                return False
            ready = state.last + self.core.stream if state.done else state.since + self.core.stage
            if one.receive:
                ready = max(ready, queue.popleft() + self.core.stage)
            state.last, state.done = ready, state.done + 1
            for route in one.send:
                self._at(ready, route, 0, reaches=False)
        state.since, state.done = state.last, 0
        return True


def run(core: Core, programs: Mapping[Place, Sequence[Instruction]]) -> Outcome:
    """Executes the programs of all cores.

    Raises:
        AssertionError: cores wait for wavelets that nobody sends.
    """
    return _Mesh(core, programs).run()


def line(begin: int, end: int) -> tuple[Place, ...]:
    """Cores of a column from one to another."""
    way = 1 if end >= begin else -1
    return tuple((0, place) for place in range(begin, end + way, way))


def reduction(way: Way, length: int, count: int, levels: int = 2) -> dict[Place, list[Instruction]]:
    """Programs of an all-reduce along a column."""
    programs: dict[Place, list[Instruction]] = {(0, place): [] for place in range(length)}
    if length == 1:
        return programs
    if way == "ring":
        order, chunk = ring(length), max(1, -(-count // length))
        for rank, here in enumerate(order):
            route = Route("ring", line(here, order[(rank + 1) % length]))
            middle = Instruction("ring", (route,), chunk)
            programs[0, here] = [Instruction("", (route,), chunk), *[middle] * (2 * length - 3)]
            programs[0, here].append(Instruction("ring", (), chunk))
        return programs
    root = 0
    for depth, level in enumerate(levels_of(way, length, levels)):
        for chain in level:
            root = chain.root
            for name, side in ((f"above {depth}", chain.above), (f"below {depth}", chain.below)):
                for rank, (here, there) in enumerate(pairwise((*side, root))):
                    source = name if rank else ""
                    programs[0, here].append(Instruction(source, (Route(name, line(here, there)),), count))
                if side:
                    programs[0, root].append(Instruction(name, (), count))
    for end in (0, length - 1):
        if end != root:
            programs[0, root].append(Instruction("", (Route(f"all {end}", line(root, end), every=True),), count))
            for _, place in line(root, end)[1:]:
                programs[0, place].append(Instruction(f"all {end}", (), count))
    return programs


def rotation(core: Core, tiles: Tiles, order: Sequence[int]) -> dict[Place, list[Instruction]]:
    """Programs of the steps of MeshGEMM or Cannon behind the alignment, with places (column, row)."""
    side, multiply = tiles.side, Instruction(work=work(core, tiles))
    left, right = wavelets(tiles.left), wavelets(tiles.right)
    following = {here: order[rank - 1] for rank, here in enumerate(order)}
    tasks = Instruction(work=core.step)
    programs = {}
    for x in range(side):
        for y in range(side):
            row = Route("left", tuple((place, y) for _, place in line(x, following[x])))
            column = Route("right", tuple((x, place) for _, place in line(y, following[y])))
            sends = [Instruction("", (row,), left), Instruction("", (column,), right)]
            takes = [Instruction("left", (), left), Instruction("right", (), right)]
            programs[x, y] = [*sends, multiply, *takes, tasks] * side
    return programs


def relay(core: Core, tiles: Tiles) -> dict[Place, list[Instruction]]:
    """Programs of SUMMA: in each step one column's left and one row's right tiles pass from core to core."""
    side, multiply = tiles.side, Instruction(work=work(core, tiles))
    tasks = Instruction(work=core.step)
    programs: dict[Place, list[Instruction]] = {(x, y): [] for x in range(side) for y in range(side)}
    for (x, y), program in programs.items():
        for root in range(side):
            for name, here, count in (("left", x, tiles.left), ("right", y, tiles.right)):
                ways = [way for way in (1, -1) if here == root or (here > root) == (way > 0)]
                routes = tuple(
                    Route(f"{name} {way}", ((x, y), (x + way, y) if name == "left" else (x, y + way)))
                    for way in ways
                    if 0 <= here + way < side
                )
                source = "" if here == root else f"{name} {1 if here > root else -1}"
                program.append(Instruction(source, routes, wavelets(count)))
            program += [multiply, tasks]
    return programs
