"""The sizes and rates of a system of in-memory compute cards, read from the chip's file and the machine's own."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.figures import Figure
from silmark.machines.base import Facts


@dataclass(frozen=True, slots=True)
class Level:
    """Links that join groups into larger groups.

    Attributes:
        name: for the timeline.
        members: groups that it joins, each of them with all others.
        latency: cycles of a message.
        bandwidth: bytes per cycle that a chiplet sends.
        energy: J per bit, with its interval.
    """

    name: str
    members: int
    latency: int
    bandwidth: float
    energy: Figure


@dataclass(frozen=True, slots=True)
class Geometry:
    """Everything counted per cycle of the clock.

    Attributes:
        clock: Hz.
        rows, columns: of an array in this format: weights that it multiplies by.
        row_bytes: of one row of weights, which enter an array in one cycle.
        vector_cycles: cycles of one vector of `rows` elements, one bit at a time.
        chiplets: of all cards.
        cards: as it says.
        groups, chain: groups of cores per chiplet, and cores of a group, which can be chained.
        quads: of a chiplet, each with its part of the groups.
        core_bytes: SRAM per core.
        stash_bytes: part of a group's SRAM that activations may take.
        vector: operations per cycle and chiplet.
        main: bytes per cycle from main memory, per chiplet.
        hop, dispatch: cycles from unit to unit of a chain, and between instructions.
        levels: links, the nearest first.
        exponential: operations of one.
        weight_bytes: per element, block scales included.
        mac_share: energy of a multiply-add over one at 8 bits: a quarter where both operands are half as wide.
    """

    clock: float
    rows: int
    columns: int
    row_bytes: int
    vector_cycles: int
    chiplets: int
    cards: int
    groups: int
    chain: int
    quads: int
    core_bytes: float
    stash_bytes: float
    vector: float
    main: float
    hop: int
    dispatch: int
    levels: tuple[Level, ...]
    exponential: float
    weight_bytes: float
    mac_share: float

    @property
    def cores(self) -> int:
        """Per chiplet."""
        return self.groups * self.chain

    @property
    def all_cores(self) -> int:
        """Of all cards."""
        return self.chiplets * self.cores

    @property
    def multiply_adds(self) -> float:
        """Per cycle, all arrays busy."""
        return self.all_cores * self.rows * self.columns / self.vector_cycles


def read(facts: Facts, bits: float, cards: int, clock: float) -> Geometry:
    """The geometry.

    Args:
        facts: of the chip, one card of a system.
        bits: stored per weight, block scales included; below 6 an array has twice the columns and half the cycles, as
            Corsair's 64 x 64 at 8 bits and 64 x 128 at 4 bits.
        cards: in the system, all of them on one program.
        clock: Hz; 0 for the chip's own.
    """
    clock = clock or facts.of_chip("compute.clock").value
    arrays, columns = (round(facts.of_chip(f"compute.{key}").value) for key in ("arrays", "columns"))
    narrow = 2 if bits < 6 else 1
    chiplets = max(1, round(arrays / facts.own("package.cores").value))
    chain = facts.whole("package.chain")
    groups = max(1, arrays // chiplets // chain)
    return Geometry(
        clock=clock,
        rows=round(facts.of_chip("compute.rows").value),
        columns=columns * narrow,
        row_bytes=columns,
        vector_cycles=max(1, round(facts.of_chip("compute.vector_cycles").value / narrow)),
        chiplets=chiplets * cards,
        cards=cards,
        groups=groups,
        chain=chain,
        quads=min(groups, facts.whole("package.quads")),
        core_bytes=facts.of_chip("memory.sram.capacity").value / arrays,
        stash_bytes=facts.own("memory.stash").value,
        vector=facts.of_chip("peak.vector").value / facts.of_chip("compute.clock").value / chiplets,
        main=facts.of_chip("memory.main.bandwidth").value / clock / chiplets,
        hop=facts.whole("latency.chain"),
        dispatch=facts.whole("latency.dispatch"),
        levels=_levels(facts, chiplets, cards, clock),
        exponential=facts.own("vector.exponential").value,
        weight_bytes=bits / 8,
        mac_share=1 / narrow**2,
    )


def _levels(facts: Facts, chiplets: int, cards: int, clock: float) -> tuple[Level, ...]:
    """Chiplets of a card, bridged cards, pairs in a server, servers; those that join nothing are left out."""
    near, far = facts.own("energy.link"), facts.own("energy.far")
    bridged, server = facts.whole("package.bridged"), facts.whole("package.server")
    found = []

    def level(name: str, members: int, latency: Figure, bandwidth: Figure, share: int, energy: Figure) -> None:
        if members > 1:
            rate = bandwidth.value / clock / share
            found.append(Level(name, members, round(latency.value * clock), rate, energy))

    level("chiplets", chiplets, facts.own("link.latency"), facts.own("link.bandwidth"), 1, near)
    if cards > 1:
        level("bridge", min(cards, bridged), facts.own("link.latency"), facts.own("link.bridge"), 1, near)
        pairs = -(-min(cards, server) // bridged)
        up = [facts.of_chip(f"link.scale_up.{key}") for key in ("latency", "bandwidth")]
        level("switch", pairs, up[0], up[1], chiplets, far)
    if cards > server:
        out = [facts.of_chip(f"link.scale_out.{key}") for key in ("latency", "bandwidth")]
        level("network", -(-cards // server), out[0], out[1], chiplets, far)
    return tuple(found)
