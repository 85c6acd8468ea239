"""The wiring as a graph: what reaches what, and how far two chips are apart.

Patterns between group A of m and group B of n members:
    each    every member of the larger group has one link, to members of the smaller in turn (blocks of neighbours)
    all     every member of A to every member of B; within one group every pair
    ring    within one group, each to the next, closed
    pairs   within one group, 0-1, 2-3, ...
    torus   within one group laid on a grid, along every axis each to the next, closed where an axis has more than two
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Literal

from silmark.fabric.physical.sums import total
from silmark.systems.wiring import CHIPS, NETWORK, Links, Wiring

Node = tuple[str, int]
Bound = Literal["low", "mid", "high"]


def edges(wiring: Wiring, links: Links) -> Iterator[tuple[Node, Node]]:
    """Ends of every link of one table."""
    (a, b), pattern = links.ends, links.pattern
    m, n = wiring.groups[a].count, wiring.groups[b].count
    if pattern == "each":
        for i in range(max(m, n)):
            yield (a, i * m // max(m, n)), (b, i * n // max(m, n))
    elif pattern == "all" and a == b:
        yield from (((a, i), (a, j)) for i in range(m) for j in range(i + 1, m))
    elif pattern == "all":
        yield from (((a, i), (b, j)) for i in range(m) for j in range(n))
    elif pattern == "ring":
        yield from (((a, i), (a, (i + 1) % m)) for i in range(m))
    elif pattern == "torus":
        yield from (((a, i), (a, j)) for i, j in _torus(m, links.sides))
    else:
        yield from (((a, 2 * i), (a, 2 * i + 1)) for i in range(m // 2))


def _torus(members: int, sides: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Neighbours on a grid, the last axis running fastest."""
    stride = members
    for side in sides:
        stride //= side
        for i in range(members):
            place = i // stride % side
            if side > 2 or (side == 2 and place == 0):
                yield i, i + ((place + 1) % side - place) * stride


def island(wiring: Wiring) -> str:
    """Which components nothing joins to the first host, as a sentence; empty if all are joined."""
    roots: dict[Node, Node] = {
        (group.name, i): (group.name, i)
        for group in wiring.groups.values()
        if group.name != NETWORK
        for i in range(group.count)
    }
    for links in wiring.links:
        if links.training.lost or NETWORK in links.ends:
            continue
        for near, far in edges(wiring, links):
            roots[_root(roots, near)] = _root(roots, far)
    home = _root(roots, (wiring.hosts[0], 0))
    lost = [node for node in roots if _root(roots, node) != home]
    if not lost:
        return ""
    named = ", ".join(f"{name} {index}" for name, index in lost[:3])
    rest = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
    return f"an island: nothing joins {named}{rest} to {wiring.hosts[0]} 0"


def _root(roots: dict[Node, Node], node: Node) -> Node:
    """The component that stands for all that are joined to one, with paths halved on the way (Tarjan 1975)."""
    while roots[node] != node:
        roots[node] = roots[roots[node]]
        node = roots[node]
    return node


def farthest_s(wiring: Wiring, bound: Bound = "mid") -> float | None:
    """Seconds of links and switches between chip 0 and the chip that is farthest over scale-up links.

    Chips that are joined directly are neighbours of each other in collectives: then one link counts. None where
    some chip cannot be reached.

    Args:
        wiring: of the unit.
        bound: low, mid or high: which bound of every piece counts.
    """
    used = [links for links in wiring.links if "scale_up" in links.roles and not links.training.lost]
    direct = [links for links in used if links.ends == (CHIPS, CHIPS)]
    if direct:
        return float(min(getattr(links.latency_s, bound) for links in direct))
    chips = wiring.groups[CHIPS].count
    if chips == 1:
        return 0.0
    near: dict[Node, list[tuple[Node, float]]] = {}
    for links in used:
        seconds = getattr(links.latency_s, bound)
        for one, other in edges(wiring, links):
            near.setdefault(one, []).append((other, seconds))
            near.setdefault(other, []).append((one, seconds))
    through = {
        group.name: getattr(total([(group.part.figures["latency.through"], 1.0)]), bound)
        for group in wiring.switches()
        if group.part
    }
    reached = _distances(near, through)
    far = [reached.get((CHIPS, i)) for i in range(chips)]
    known = [seconds for seconds in far if seconds is not None]
    return max(known) if len(known) == chips else None


def _distances(near: dict[Node, list[tuple[Node, float]]], through: dict[str, float]) -> dict[Node, float]:
    """Seconds from chip 0 to every component (Dijkstra 1959); a switch on the way adds its own."""
    reached: dict[Node, float] = {}
    waiting: list[tuple[float, Node]] = [(0.0, (CHIPS, 0))]
    while waiting:
        seconds, node = heapq.heappop(waiting)
        if node in reached:
            continue
        reached[node] = seconds
        if node[0] == CHIPS and seconds > 0:
            continue  # chips do not forward what is not theirs
        onward = seconds + through.get(node[0], 0.0)
        for other, more in near.get(node, ()):
            if other not in reached:
                heapq.heappush(waiting, (onward + more, other))
    return reached
