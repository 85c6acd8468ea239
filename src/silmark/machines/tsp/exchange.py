"""Tiles on their way elsewhere: through an SXM into another layout, over a link to another chip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from silmark.machines.tsp.bursts import Bursts
from silmark.machines.tsp.floor import Out, Tile
from silmark.machines.tsp.instructions import Compute, Read, Send, Values, Work, Write
from silmark.machines.tsp.resources import Candidate, Need, NoRoom, place

Due = Callable[[Sequence[int]], Sequence[int]]


class Exchange(Bursts):
    """Places what an SXM or a link does."""

    def send(self, name: str, link: tuple[int, int], tile: Tile) -> Tile:
        """A tile to another chip: vectors leave at the link's pace on one stream, and are written as they come."""
        near, far = (self.floors[chip] for chip in link)
        geometry, width, at = self.geometry, len(tile.banks), self.geometry.sxm_at
        vectors, half = tile.length * width, far.next_half()
        cycles = vectors * geometry.c2c_vector
        arrives = at + geometry.c2c_latency + at
        needs = [
            Need(near.path(tile.half, (tile.half,), high=True), 0, cycles),
            *near.reading(tile, tile.half, 0, cycles),
            Need((Candidate((self.links[link],)),), at, cycles),
            Need(far.path(-half, (half,), high=True), arrives, cycles),
            *far.writing(half, -half, arrives, Out(tile.key, cycles, width), tile.length),
        ]
        base, chosen = place(needs, tile.centre_from(tile.half, geometry.read))
        burst = near.burst(tile.half, chosen[0], base, cycles, (tile.half,))
        self.instructions.append(Read(name, tile.place, burst))
        tile.last_read = max(tile.last_read, base + at + cycles)
        out = far.burst(-half, chosen[-2], base + arrives, cycles, (half,))
        self.instructions.append(Send(name, link, base + at, burst, out, vectors))
        starts = [out.at(one.bank.position) + cycles - tile.length for one in chosen[-1] if one.bank is not None]
        made = far.written(chosen[-1], starts, half, tile.length, tile.key)
        self.instructions.append(Write(name, made.place, out))
        self._until(max(made.since) + made.length - 1)
        return made

    def permute(
        self, name: str, chip: int, tiles: Sequence[Tile], outs: Sequence[Out], work: Work, due: Due
    ) -> list[Tile]:
        """Tiles into an SXM, and the same values in another layout out of it.

        Args:
            name: of the instruction.
            chip: on which.
            tiles: each is read once, whatever it gives.
            outs: tiles to write.
            work: values of the tiles -> values of each of `outs`.
            due: first cycle of each tile at the SXM -> of each of `outs`, if the SXM took no time.
        """
        first = self.floors[chip].next_half()
        for half in (first, -first):
            try:
                return self._permute(name, chip, half, tiles, outs, work, due)
            except NoRoom:
                continue
        raise NoRoom

    def _permute(
        self, name: str, chip: int, half: int, tiles: Sequence[Tile], outs: Sequence[Out], work: Work, due: Due
    ) -> list[Tile]:
        floor, at, unit = self.floors[chip], self.geometry.sxm_at, f"SXM {'E' if half > 0 else 'W'}"
        ways, ways_out = ([Candidate((line,), tag=n) for n, line in enumerate(lines)] for lines in floor.sxm[half])
        held: dict[int, Values] = {}
        arrived: list[int] = []
        for number, tile in enumerate(tiles):

            def keep(values: Sequence[Values], which: int = number) -> Sequence[Values]:
                held[which] = values[0]
                return ()

            part, needs = self._taken(floor, tile, half, 0, tile.length)
            needs.append(Need(ways, at, tile.length, count=len(tile.banks)))
            base, chosen = place(needs, tile.centre_from(half, self.geometry.read))
            burst = self._read(floor, name, part, chosen[0], base, tile.length)
            units = tuple(f"{unit} in {one.tag}" for one in chosen[-1])
            arrived.append(base + at)
            self.instructions.append(
                Compute(name, chip, units, half * at, base + at, tile.length, (burst,), (), 0, keep)
            )
        made: list[Tile] = []
        values: list[Values] = []
        for number, (out, earliest) in enumerate(zip(outs, due(arrived), strict=True)):
            needs = self._given(floor, out, half, -half, at)
            needs.append(Need(ways_out, 0, out.rows, count=out.width))
            base, chosen = place(needs, earliest + self.geometry.sxm)
            burst = floor.burst(-half, chosen[0], base + at, out.rows, (half,))

            def give(_: Sequence[Values], which: int = number) -> Sequence[Values]:
                if not values:
                    values.extend(work([held[n] for n in range(len(held))]))
                return (values[which],)

            units = tuple(f"{unit} out {one.tag}" for one in chosen[-1])
            self.instructions.append(Compute(name, chip, units, half * at, base, out.rows, (), (burst,), 0, give))
            made.append(self._write(name, out, chosen[1:-1], burst, half))
        return made
