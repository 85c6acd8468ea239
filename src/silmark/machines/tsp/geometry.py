"""The chip's floor from west to east, its sizes and latencies, from the chip's file and the machine's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from silmark.machines.base import Facts

EAST, WEST = 1, -1
"""Directions in which streams flow; also the names of the halves."""
HALVES = (WEST, EAST)


@dataclass(frozen=True)
class Geometry:
    """Sizes of one chip.

    A vector moves one stream register per cycle. Position 0 is the VXM in the middle; east is positive. Behind it on
    either side stand the memory slices, several of them per register, then SXM and MXM.

    Attributes:
        lanes: elements of a vector.
        superlanes: an instruction reaches each a cycle after the one before it.
        planes: 8-bit arrays of lanes x lanes on both sides; two of a side join to one 16-bit array of half the depth.
        streams: per direction.
        slices, banks, words: memory slices per side, banks of each, vectors in each.
        per_register: memory slices between two stream registers.
        load_streams: streams that carry weights to an array at once.
        alus: of the VXM per lane.
        sxm_streams: that an SXM takes, and gives, at once.
        read, write, mxm, install, vxm, sxm: latencies in cycles; of the VXM per operation of a chain.
        c2c_vector, c2c_latency: cycles between two vectors on a link, and until the first arrives.
        clock_hz: the clock.
    """

    lanes: int
    superlanes: int
    planes: int
    streams: int
    slices: int
    banks: int
    words: int
    per_register: int
    load_streams: int
    alus: int
    sxm_streams: int
    read: int
    write: int
    mxm: int
    install: int
    vxm: int
    sxm: int
    c2c_vector: int
    c2c_latency: int
    clock_hz: float

    @cached_property
    def memory_end(self) -> int:
        """Position of the outermost memory slices."""
        return -(-self.slices // self.per_register)

    @property
    def sxm_at(self) -> int:
        """Distance of an SXM, with its links, from the middle."""
        return self.memory_end + 1

    @property
    def mxm_at(self) -> int:
        """Distance of an MXM from the middle."""
        return self.memory_end + 2

    @property
    def skew(self) -> int:
        """Cycles by which the last superlane is behind the first; all cycles of a schedule are the first's."""
        return self.superlanes - 1

    @property
    def memory_bytes(self) -> int:
        """Of one chip."""
        return 2 * self.slices * self.banks * self.words * self.lanes

    def slice_at(self, number: int) -> int:
        """Distance of a memory slice from the middle."""
        return 1 + number // self.per_register


def geometry(facts: Facts) -> Geometry:
    """Reads all sizes."""
    lanes = round(facts.of_chip("compute.columns").value)
    slices, banks = facts.whole("memory.slices"), facts.whole("memory.banks")
    capacity, clock = facts.of_chip("memory.sram.capacity").value, facts.of_chip("compute.clock").value
    link = facts.own("link.rate").value * facts.own("link.payload").value
    return Geometry(
        lanes=lanes,
        superlanes=facts.whole("vector.superlanes"),
        planes=round(facts.of_chip("compute.arrays").value),
        streams=facts.whole("streams.per_direction"),
        slices=slices,
        banks=banks,
        words=int(capacity / (2 * slices * banks * lanes) * (1 + 1e-4)),  # 230.7 MB are 220 MiB, rounded
        per_register=facts.whole("memory.slices_per_register"),
        load_streams=facts.whole("mxm.load_streams"),
        alus=facts.whole("vxm.alus_per_lane"),
        sxm_streams=facts.whole("sxm.streams"),
        read=facts.whole("latency.read"),
        write=facts.whole("latency.write"),
        mxm=facts.whole("latency.mxm"),
        install=facts.whole("latency.install"),
        vxm=facts.whole("latency.vxm"),
        sxm=facts.whole("latency.sxm"),
        c2c_vector=-(-int(lanes / link * clock * 1000) // 1000),
        c2c_latency=round(facts.of_chip("link.scale_up.latency").value * clock),
        clock_hz=clock,
    )
