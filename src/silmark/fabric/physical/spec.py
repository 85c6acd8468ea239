"""Technology, Medium, Part: what a link is made of, each with its figures in SI."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from silmark.errors import BadFile
from silmark.figures import Figure

BITS = 8
"""Bits of a byte: rates are held in bytes per second, energies per bit."""
_LEVELS = {"nrz": 1, "pam4": 2}
"""Bits of one symbol by modulation."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sourced:
    """A thing of the catalogue with figures by key."""

    id: str
    name: str
    notes: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def si(self, key: str, default: float | None = None) -> float:
        """A figure's value, or the default where the file does not give it; raises BadFile without either."""
        figure = self.figures.get(key)
        if figure is not None:
            return figure.value
        if default is None:
            raise BadFile(f"the file of {self.id}", "missing; give it a value with source and grade", key)
        return default


@dataclass(frozen=True, slots=True, eq=False)
class Technology(_Sourced):
    """A way to connect two ends: lanes, rate, encoding (`data/links`).

    Attributes:
        family: pcie | cxl | nvlink | ethernet | infiniband | ... - technologies of one family follow each other.
        modulation: nrz | pam4 | "" where it is not public.
        falls_to: id of what it trains down to where a channel does not close, "" for nothing.
    """

    family: str = ""
    status: str = "shipping"
    modulation: str = ""
    falls_to: str = ""

    def lanes(self) -> int:
        """Lanes of one port, one direction."""
        return round(self.si("lane.count"))

    def bandwidth(self, lanes: float) -> float:
        """Bytes per second of so many lanes, one direction: lanes x rate x encoding. What vendors call bandwidth."""
        return lanes * self.si("lane.rate") * self.si("share.encoding", 1.0)

    def payload(self, lanes: float) -> float:
        """Bytes per second that large transfers get of `bandwidth`, packet headers taken off."""
        return self.bandwidth(lanes) * self.si("share.payload", 1.0)

    def lane_gbit_s(self) -> float:
        """What one lane carries after line code and error correction, in Gbit/s: cables are sold by it."""
        return self.bandwidth(1) * BITS / 1e9

    def nyquist_hz(self) -> float | None:
        """Half the symbol rate, where losses are stated; None where the modulation is not public."""
        bits = _LEVELS.get(self.modulation)
        return None if bits is None else self.si("lane.rate") * BITS / bits / 2


@dataclass(frozen=True, slots=True, eq=False)
class Medium(_Sourced):
    """What carries the signal (`data/media`).

    Attributes:
        kind: board | copper | active-copper | optical | package.
    """

    kind: str = "board"

    def loss(self, frequency_hz: float, length_m: float) -> float | None:
        """Insertion loss in dB: length x (k1 sqrt f + k2 f), f in GHz; None where the medium has none to speak of.

        k1 is the skin effect, k2 the dielectric (Hall and Heck, Advanced Signal Integrity, 2009, chapter 5).
        """
        if "loss.conductor" not in self.figures:
            return None
        ghz = frequency_hz / 1e9
        return length_m * (self.si("loss.conductor") * math.sqrt(ghz) + self.si("loss.dielectric") * ghz)

    def reach(self, lane_gbit_s: float) -> float:
        """Longest cable in metres at that lane rate; infinite where the file gives no reach."""
        return reach(self.figures, lane_gbit_s)


@dataclass(frozen=True, slots=True, eq=False)
class Part(_Sourced):
    """Something between two ends, or behind one (`data/parts`).

    Attributes:
        vendor, family: who makes it; the short word that names all of its kind (`aries`).
        kind: retimer | switch | memory-controller | cable | nic.
        links: ids of technologies that it speaks.
        medium: of a cable: what it is a better copy of.
        in_network_reduction: a switch that adds up all-reduces.
    """

    vendor: str = ""
    family: str = ""
    kind: str = "retimer"
    status: str = "shipping"
    links: tuple[str, ...] = ()
    medium: str = ""
    in_network_reduction: bool = False

    def answers_to(self, word: str) -> bool:
        """Whether a user's word means this part: its id or its family."""
        return word.lower() in (self.id, self.family)

    def reach(self, lane_gbit_s: float) -> float:
        """Of a cable: its longest length in metres at that lane rate."""
        return reach(self.figures, lane_gbit_s)


def reach(figures: Mapping[str, Figure], lane_gbit_s: float) -> float:
    """Longest cable at a lane rate, from figures `reach.RATE`.

    Between two rates the logarithms are interpolated; below the lowest the lowest holds; above the highest nothing
    is known to work, so it is 0. Without any such figure there is no limit.
    """
    known = sorted((float(key[6:]), figure.value) for key, figure in figures.items() if key.startswith("reach."))
    if not known:
        return math.inf
    if lane_gbit_s <= known[0][0]:
        return known[0][1]
    for (low, far), (high, near) in pairwise(known):
        if lane_gbit_s <= high:
            part = math.log(lane_gbit_s / low) / math.log(high / low)
            return math.exp(math.log(far) + part * (math.log(near) - math.log(far)))
    return known[-1][1] if lane_gbit_s <= known[-1][0] * _ROUNDED else 0.0


_ROUNDED = 1.001
"""Rates of lanes that encodings leave a little above the round number that cables are sold by."""
