"""Ising graphs: spins, couplings, fields; the published lattices; who updates together.

    E(s) = -(sum_i b_i s_i + sum_(i,j) J_ij s_i s_j),  s = +-1,  P(s) ~ exp(-beta E(s))

Every edge counts once. (Eq. 10 of arXiv:2510.23972 sums over i != j, which counts each twice: its couplings are
half as large.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from silmark.errors import BadValue

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

RULES: dict[str, tuple[tuple[int, int], ...]] = {
    "square": ((0, 1),),
    "g12": ((0, 1), (4, 1), (9, 10)),
    "z1": ((1, 0), (2, 1), (2, 3), (4, 1)),
}
"""Rule (a, b) joins (x, y) with (x+a, y+b), (x-b, y+a), (x-a, y-b), (x+b, y-a). a + b is odd, so that a chessboard
colours the lattice. g12: arXiv:2510.23972, 12 neighbours; z1: arXiv:2608.01615, section II.2.1, 16 neighbours."""


@dataclass(frozen=True, eq=False)
class Graph:
    """An Ising model.

    Attributes:
        biases: b_i, shape (spins,).
        edges: pairs i < j of spins, shape (edges, 2); no pair twice.
        couplings: J_ij, shape (edges,).
        beta: inverse temperature.
        lattice, side: which regular lattice it is, spin i at (i // side, i % side); empty and 0 for any other graph.
        periodic: whether the lattice closes on itself.
    """

    biases: Floats
    edges: Ints
    couplings: Floats
    beta: float = 1.0
    lattice: str = ""
    side: int = 0
    periodic: bool = False

    @property
    def spins(self) -> int:
        """Number of spins."""
        return len(self.biases)

    @cached_property
    def degrees(self) -> Ints:
        """Neighbours of each spin."""
        return np.bincount(self.edges.ravel(), minlength=self.spins).astype(np.int32)

    @property
    def degree(self) -> int:
        """Neighbours of the spin that has most."""
        return int(self.degrees.max(initial=0))

    @cached_property
    def rows(self) -> tuple[Ints, Ints, Ints]:
        """Both directions of every edge, by spin: (start, neighbour, edge), start of shape (spins + 1,)."""
        ends = np.concatenate([self.edges[:, 0], self.edges[:, 1]])
        others = np.concatenate([self.edges[:, 1], self.edges[:, 0]])
        order = np.argsort(ends, kind="stable")
        start = np.concatenate([[0], np.cumsum(self.degrees)]).astype(np.int32)
        return start, others[order].astype(np.int32), (order % max(len(self.edges), 1)).astype(np.int32)

    @cached_property
    def colours(self) -> Ints | None:
        """0 or 1 for each spin so that no edge joins equal ones; None where an odd cycle forbids it."""
        start, neighbour, _ = self.rows
        colour = np.full(self.spins, -1, dtype=np.int32)
        for seed in range(self.spins):
            if colour[seed] >= 0:
                continue
            colour[seed] = 0
            front = np.array([seed])
            while len(front):  # breadth first, a whole front at a time
                near = np.unique(np.concatenate([neighbour[start[i] : start[i + 1]] for i in front]))
                fresh = near[colour[near] < 0]
                colour[fresh] = 1 - colour[front[0]]
                front = fresh
        clash = colour[self.edges[:, 0]] == colour[self.edges[:, 1]]
        return None if clash.any() else colour

    def energy(self, spins: npt.NDArray[np.generic]) -> Floats:
        """E of configurations (..., spins)."""
        values = np.asarray(spins, dtype=np.float64)
        pairs = values[..., self.edges[:, 0]] * values[..., self.edges[:, 1]]
        return -(values @ self.biases + pairs @ self.couplings)

    def agreement(self, spins: npt.NDArray[np.generic]) -> Floats:
        """Mean of s_i s_j over samples (samples, spins), for every edge: the nearest-neighbour correlation."""
        first, second = spins[:, self.edges[:, 0]], spins[:, self.edges[:, 1]]
        return np.asarray((first == second).mean(axis=0) * 2.0 - 1.0, dtype=np.float64)


def make(biases: npt.ArrayLike, edges: npt.ArrayLike, couplings: npt.ArrayLike, beta: float = 1.0) -> Graph:
    """A graph from plain lists, checked; an edge may name its ends in any order."""
    fields, strengths = np.asarray(biases, dtype=np.float64), np.asarray(couplings, dtype=np.float64)
    pairs = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    if len(pairs) != len(strengths):
        raise BadValue("couplings", len(strengths), f"one for each of the {len(pairs)} edges")
    if not (np.isfinite(fields).all() and np.isfinite(strengths).all() and np.isfinite(beta) and beta >= 0):
        raise BadValue("graph", "nan or inf", "finite biases and couplings, and a finite beta of at least 0")
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= len(fields)):
        raise BadValue("edges", int(pairs.max()), f"ends from 0 to {len(fields) - 1}")
    if (pairs[:, 0] == pairs[:, 1]).any():
        raise BadValue("edges", int(pairs[pairs[:, 0] == pairs[:, 1]][0, 0]), "edges between two different spins")
    pairs = np.sort(pairs, axis=1)
    if len(np.unique(pairs, axis=0)) != len(pairs):
        raise BadValue("edges", "a pair twice", "every pair of spins at most once; add their couplings up")
    return Graph(fields, pairs.astype(np.int32), strengths, beta)


def lattice(
    name: str, side: int, coupling: float = 0.0, *, bias: float = 0.0, beta: float = 1.0, periodic: bool = False
) -> Graph:
    """One of the published lattices, side x side spins of one coupling.

    Args:
        name: square, g12 or z1.
        side: spins along an edge.
        coupling, bias: of every edge and every spin.
        beta: inverse temperature.
        periodic: joins opposite borders; the side must then be even (two colours) and longer than twice any edge.
    """
    if name not in RULES:
        raise BadValue("lattice", name, f"one of {', '.join(RULES)}")
    if periodic and (side % 2 or side <= 2 * max(max(rule) for rule in RULES[name])):
        raise BadValue("side", side, f"an even side above {2 * max(max(rule) for rule in RULES[name])}, if periodic")
    x, y = np.divmod(np.arange(side * side), side)
    found = []
    for a, b in RULES[name]:
        for dx, dy in ((a, b), (-b, a)):  # the two other directions are these edges seen from their far end
            to_x, to_y = x + dx, y + dy
            if periodic:
                to_x, to_y = to_x % side, to_y % side
            inside = (to_x >= 0) & (to_x < side) & (to_y >= 0) & (to_y < side)
            found.append(np.stack([(x * side + y)[inside], (to_x * side + to_y)[inside]], axis=1))
    edges = np.sort(np.concatenate(found), axis=1)
    edges = edges[np.lexsort((edges[:, 1], edges[:, 0]))].astype(np.int32)
    return Graph(np.full(side * side, bias), edges, np.full(len(edges), coupling), beta, name, side, periodic)
