"""One chip's resources, and the needs of the things that a schedule places on them."""

from __future__ import annotations

from dataclasses import dataclass, field

from silmark.machines.tsp.geometry import EAST, HALVES, Geometry
from silmark.machines.tsp.instructions import Burst, Place
from silmark.machines.tsp.lines import Line
from silmark.machines.tsp.memory import Bank
from silmark.machines.tsp.resources import Candidate, Need


@dataclass(slots=True)
class Tile:
    """Vectors in memory.

    Attributes:
        place: where.
        banks: the same banks as objects.
        half: of the chip.
        length: cycles that a read of it takes.
        since: per bank, the cycle from which its first word can be read, the next ones a cycle later each.
        last_read: until when it is needed.
        in_turn: rows lie bank by bank, so that a read takes all banks' rows at once.
        key: name of the tile, which a matrix array remembers as what it holds.
    """

    place: Place
    banks: tuple[Bank, ...]
    half: int
    length: int
    since: tuple[int, ...]
    key: str = ""
    last_read: int = 0

    def centre_from(self, flow: int, read: int) -> int:
        """The earliest centre of a burst that reads it."""
        return max(since - flow * bank.position + read for since, bank in zip(self.since, self.banks, strict=True))

    def release(self) -> None:
        """Gives its words back after the last read."""
        for bank, address in zip(self.banks, self.place.addresses, strict=True):
            bank.release(address, self.place.words, self.last_read)


@dataclass(slots=True)
class Plane:
    """One 8-bit matrix array of a hemisphere.

    Attributes:
        number: among the chip's planes.
        half: of the chip.
        busy, loading: its rows of activations, and its weight buffer.
        holds: key of the tile that its next rows meet.
        started: first row that met the weights that it holds; from then on the buffer is free for the next ones.
    """

    number: int
    half: int
    busy: Line = field(default_factory=Line)
    loading: Line = field(default_factory=Line)
    holds: str = ""
    ready: int = 0
    started: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class Out:
    """One tile that a unit gives.

    Attributes:
        key: name of the tile.
        rows: cycles.
        width: streams: one per byte of an element, or more that carry rows side by side.
        words: of a weight tile that is written in turn: words per bank; 0 elsewhere.
        avoid: banks that what is read together with it lies in.
    """

    key: str
    rows: int
    width: int
    words: int = 0
    avoid: frozenset[int] = frozenset()


class Floor:
    """The resources of one chip."""

    def __init__(self, geometry: Geometry, chip: int) -> None:
        self.geometry, self.chip = geometry, chip
        self.streams = {
            (flow, half): tuple(Line() for _ in range(geometry.streams)) for flow in HALVES for half in HALVES
        }
        self.banks: dict[int, list[Bank]] = {half: [] for half in HALVES}
        for half in HALVES:
            for number in range(geometry.slices * geometry.banks):
                position = half * geometry.slice_at(number // geometry.banks)
                index = number + (geometry.slices * geometry.banks if half == EAST else 0)
                self.banks[half].append(Bank(index, position, geometry.words))
        self.planes = tuple(Plane(n, half=HALVES[n * 2 // geometry.planes]) for n in range(geometry.planes))
        self.alus = tuple(Line() for _ in range(geometry.alus))
        self.sxm = {half: [[Line() for _ in range(geometry.sxm_streams)] for _ in ("in", "out")] for half in HALVES}
        self._turn = 0
        self._paths: dict[tuple[int, tuple[int, ...]], tuple[Candidate, ...]] = {}

    @property
    def used_bytes(self) -> int:
        """The most memory that was ever taken, bank by bank."""
        return sum(bank.most for half in HALVES for bank in self.banks[half]) * self.geometry.lanes

    def next_half(self) -> int:
        """Halves in turn."""
        self._turn += 1
        return HALVES[self._turn % 2]

    def path(self, flow: int, halves: tuple[int, ...], high: bool = False) -> tuple[Candidate, ...]:
        """Streams that are the same one all the way; weights take low numbers first, all else high ones."""
        key = (flow, halves)
        if key not in self._paths:
            lines = [self.streams[flow, half] for half in halves]
            self._paths[key] = tuple(
                Candidate(tuple(one[number] for one in lines), tag=number) for number in range(self.geometry.streams)
            )
        return self._paths[key][::-1] if high else self._paths[key]

    def reading(self, tile: Tile, flow: int, offset: int, length: int) -> list[Need]:
        """Ports of the banks of a tile, for a burst whose centre is at `offset`."""
        read = self.geometry.read
        return [
            Need((Candidate((bank.port,), delay=flow * bank.position - read),), offset, length) for bank in tile.banks
        ]

    def writing(self, half: int, flow: int, offset: int, out: Out, words: int = 0) -> list[Need]:
        """Banks for the bytes of each element of a burst whose centre is at `offset`; a word per row unless told."""
        mine, rest = self._by_role(half, weights=False)
        shift = self._turn * 5 % len(mine)
        banks = (*mine[shift:], *mine[:shift], *rest)
        ways = tuple(
            Candidate((bank.port,), flow * bank.position, bank=bank) for bank in banks if bank.number not in out.avoid
        )
        return [Need(ways, offset, out.rows, count=out.width, words=words or out.rows)]

    def writing_in_turn(self, half: int, flow: int, offset: int, out: Out) -> list[Need]:
        """Banks that take a share of the rows each, to be read side by side; as many at a time as there are streams."""
        count = self.geometry.load_streams
        return [
            Need(
                tuple(
                    Candidate((bank.port,), flow * bank.position, bank=bank)
                    for banks in self._by_role(half, weights=True)
                    for bank in banks[share::count]
                ),
                offset + share // out.width * out.words,
                out.words,
                words=out.words,
            )
            for share in range(count)
        ]

    def stored(self, half: int, words: int, key: str) -> Tile | None:
        """Room for a weight tile that lies there before the run; None where there is none."""
        return self._laid_by_role(half, words, key, self.geometry.load_streams, weights=True)

    def resident(self, half: int, rows: int, width: int, key: str) -> Tile | None:
        """Room for a tile of activations that lies there before the run."""
        return self._laid_by_role(half, rows, key, width, weights=False)

    def _by_role(self, half: int, *, weights: bool) -> tuple[tuple[Bank, ...], tuple[Bank, ...]]:
        """Banks of a half that are meant for weights, or for activations, and the others.

        Activations lie in the first bank of each slice: a load of weights, which needs the ports of many banks at once,
        does not meet them.
        """
        per_slice = self.geometry.banks
        first = tuple(bank for bank in self.banks[half] if bank.number % per_slice == 0)
        other = tuple(bank for bank in self.banks[half] if bank.number % per_slice)
        return (other, first) if weights and other else (first, other)

    def _laid_by_role(self, half: int, words: int, key: str, count: int, *, weights: bool) -> Tile | None:
        """So many banks with room, the emptiest of those that are meant for it; None where there are too few."""
        ways = [
            bank
            for banks in self._by_role(half, weights=weights)
            for bank in sorted(banks, key=lambda bank: bank.used)
            if bank.has_room(words, 0)
        ]
        return self._laid(ways[:count], half, words, key) if len(ways) >= count else None

    def _laid(self, banks: list[Bank], half: int, words: int, key: str) -> Tile:
        addresses = tuple(bank.take(words, 0) for bank in banks)
        place = Place(self.chip, tuple(b.number for b in banks), tuple(b.position for b in banks), addresses, words)
        return Tile(place, tuple(banks), half, words, (0,) * len(banks), key)

    def written(self, chosen: list[Candidate], starts: list[int], half: int, words: int, key: str) -> Tile:
        """The tile that a write makes, room taken.

        Args:
            chosen: banks.
            starts: per bank, the cycle at which its first word arrives.
            half, words, key: of the tile.
        """
        banks = tuple(one.bank for one in chosen if one.bank is not None)
        addresses = tuple(bank.take(words, start) for bank, start in zip(banks, starts, strict=True))
        place = Place(self.chip, tuple(b.number for b in banks), tuple(b.position for b in banks), addresses, words)
        since = tuple(start + self.geometry.write for start in starts)
        return Tile(place, banks, half, words, since, key, last_read=max(since) + words)

    def burst(self, flow: int, chosen: list[Candidate], centre: int, length: int, halves: tuple[int, ...]) -> Burst:
        """The burst on the streams that were chosen."""
        return Burst(self.chip, flow, tuple(one.tag for one in chosen), centre, length, halves)
