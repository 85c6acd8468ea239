"""What a topology means to a collective: how far messages travel and how many links work at once.

A new topology is one function here and one line in SHAPES.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

GROUP_OF_NODES = 8
"""Chips of one all-to-all group of a dragonfly where the system names no other (GroqNode: 8, ISCA 2022)."""
_RING = 2.0
"""An axis of two chips is one link, wrapped or not."""
_WHOLE = 1e-9
"""Roots of whole numbers are compared with this slack."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A group of n chips on a topology.

    Attributes:
        hops: links that an average message between two members crosses.
        depth: messages one after another until the farthest member has heard from all.
        steps: messages one after another in a pass of the ring or bucket algorithm.
        ring: share of a chip's bandwidth that this algorithm keeps busy.
        direct: share of a chip's bandwidth that leads straight to members of the group.
        pair: share of a chip's bandwidth that leads to one other chip.
    """

    hops: float = 1.0
    depth: float = 1.0
    steps: float = 1.0
    ring: float = 1.0
    direct: float = 1.0
    pair: float = 1.0


def _switch(n: int, size: int, dimensions: int, beyond: float) -> Shape:
    """Every chip reaches every other with its whole bandwidth."""
    return Shape(steps=n - 1)


def _all_to_all(n: int, size: int, dimensions: int, beyond: float) -> Shape:
    """One link per pair: a group smaller than the whole uses as many links as it has peers."""
    others = max(size, n) - 1
    used = (n - 1) / others
    return Shape(steps=n - 1, ring=used, direct=used, pair=1 / others)


def _ring(n: int, size: int, dimensions: int, beyond: float) -> Shape:
    """Two neighbours per chip; both directions carry."""
    ways = 2 if n > 2 else 1
    mean = (n**2 // 4) / (n - 1)
    return Shape(hops=mean, depth=n // 2, steps=math.ceil((n - 1) / ways), ring=ways / 2, direct=ways / 2, pair=0.5)


def _grid(n: int, size: int, dimensions: int, wrapped: bool) -> Shape:
    """A group of side n^(1/u) on u axes of a torus or mesh, laid so that the bucket algorithm keeps most links busy.

    An axis closes to a ring only where the group fills it: part of a torus is a mesh. The bucket algorithm gathers
    along one axis after the other, and starts on every axis at once with its share of the payload, so that the links
    of all axes carry: both directions of a ring, one per chip of a line, whose ends have one neighbour only (Sack and
    Gropp 2015, section 4; Pope et al., arXiv:2211.05102, appendix A.1; Jouppi et al., arXiv:2304.01433).
    """
    full = size ** (1 / dimensions) if size else 0.0
    laid = []
    for used in range(1, max(1, min(dimensions, int(math.log2(n)))) + 1):
        side = n ** (1 / used)
        closed = wrapped and side >= full - _WHOLE and side > _RING
        ways = min(2.0, side - 1.0) if closed else 1.0
        steps = used * (side - 1.0) / ways
        laid.append((used * ways, -steps, used, side, closed))
    busy, steps, used, side, closed = max(laid)
    # Half of what everybody sends crosses the middle of an axis, over two links per line of chips where it is closed.
    mean = max(1.0, used * side / 4 * n / (n - 1))
    return Shape(
        hops=mean,
        depth=used * (side / 2 if closed else side - 1.0),
        steps=-steps,
        ring=busy / (2 * dimensions),
        direct=busy / (2 * dimensions),
        pair=1 / (2 * dimensions),
    )


def _torus(n: int, size: int, dimensions: int, beyond: float) -> Shape:
    return _grid(n, size, dimensions, wrapped=True)


def _mesh(n: int, size: int, dimensions: int, beyond: float) -> Shape:
    return _grid(n, size, dimensions, wrapped=False)


def _dragonfly(n: int, size: int, dimensions: int, beyond: float) -> Shape:
    """All-to-all inside a local group, local - global - local beyond it (Kim et al., ISCA 2008, minimal routes).

    `beyond` is the share of a chip's links that leave its group; 1 where nobody states it.
    """
    stated = beyond < 1.0
    local = 1.0 - beyond if stated else 1.0
    if n <= GROUP_OF_NODES:
        group = _all_to_all(n, GROUP_OF_NODES, dimensions, beyond)
        return replace(group, ring=group.ring * local, direct=group.direct * local, pair=group.pair * local)
    own = (GROUP_OF_NODES - 1) / (n - 1)
    away = 1.0 - own
    # What leaves the group takes a local link at either end, unless it starts or ends at the right chip.
    near = own + 2 * away * (1 - 1 / GROUP_OF_NODES)
    busy = max(away / beyond, near / local) if stated else near + away
    return Shape(hops=busy, depth=3.0, steps=n - 1, ring=0.5, direct=1.0, pair=local / (GROUP_OF_NODES - 1))


def _tapered(n: int, size: int, dimensions: int, beyond: float) -> Shape:
    """A network of n units, `size` of them below one leaf switch, whose core carries a share `beyond` of their ports.

    A ring enters and leaves a leaf once, whatever lies below it. Of direct messages all but those to the same leaf
    cross the core.
    """
    below = max(1, size)
    if n <= below and size:
        return Shape(steps=n - 1)
    core = (n - below) / (n - 1) / beyond
    return Shape(steps=n - 1, ring=min(1.0, below * beyond), direct=min(1.0, 1.0 / core), pair=min(1.0, below * beyond))


def tiers(below: int, ports: int, chips: int, units: int) -> int:
    """Tiers of switches between so many units.

    Switches of the highest tier turn all their ports down, twice as many as a leaf has: two tiers join 2 p^2 chips
    (2,048 with p = 32, as NVIDIA's reference architecture of 256 nodes says), each further tier p times as many.

    Args:
        below: units below one leaf switch.
        ports: p, of a leaf that lead down to chips; as many lead up. 0 where nobody says: one tier.
        chips: of a unit.
        units: to be joined.
    """
    found, joined = 1, below
    while 0 < joined < units:
        found += 1
        joined = max(joined + 1, 2 * ports**found // chips)
    return found


def _bridge(n: int, size: int, dimensions: int, beyond: float) -> Shape:
    """Cables between `size` cards, every pair its own; rings of more cards pass through the host and wait for it."""
    bridged = max(2, size)
    if n <= bridged:
        return _all_to_all(n, bridged, dimensions, beyond)
    return Shape(steps=n - 1, ring=beyond, direct=beyond, pair=beyond)


NETWORKS = ("fat-tree", "rail", "dragonfly")
"""What joins units; a dragonfly of network switches has groups in place of leaves."""
SHAPES: dict[str, Callable[[int, int, int, float], Shape]] = {
    "switch": _switch,
    "fat-tree": _tapered,
    "rail": _tapered,
    "all-to-all": _all_to_all,
    "ring": _ring,
    "torus": _torus,
    "mesh": _mesh,
    "dragonfly": _dragonfly,
    "bridge": _bridge,
}


@cache
def shape(topology: str, n: int, size: int, dimensions: int, beyond: float) -> Shape:
    """How a group of n chips lies on a topology.

    Args:
        topology: a key of SHAPES.
        n: chips of the group, at least 2.
        size: chips that the topology joins in all, 0 if just the group.
        dimensions: of a torus or mesh.
        beyond: see `Link.beyond`.
    """
    return SHAPES[topology](n, size, dimensions, beyond)
