"""Graphs that cells cannot hold one to one: spins become chains of cells.

A cell has so many wires and one of two colours, and wires join cells of different colours. A spin with more
neighbours than wires, or in an odd cycle, becomes a chain of cells of alternating colours, held together by strong
couplings; its value is the majority of its cells. Which cell of a chip each becomes is not decided here: the wiring
of the published lattices is followed by lattices alone, and any other graph is taken to be routable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from silmark.machines.tsu.graph import Graph, Ints

Signs = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """A graph on cells.

    Attributes:
        cells: the model that the cells hold.
        spin: which spin each cell stands for.
        colours: 0 or 1 of each cell.
        chains: spins of more than one cell.
    """

    cells: Graph
    spin: Ints
    colours: Ints
    chains: int

    def read(self, states: Signs) -> Signs:
        """Spins (samples, spins) from cells (samples, cells): the majority, in a tie the chain's first cell."""
        if not self.chains:
            return states
        first = np.unique(self.spin, return_index=True)[1]
        votes = 2 * np.add.reduceat(states, first, axis=1, dtype=np.int32) + states[:, first]
        return np.where(votes > 0, 1, -1).astype(np.int8)

    def torn(self, states: Signs) -> float:
        """Share of chains whose cells disagree."""
        if not self.chains:
            return 0.0
        first, counts = np.unique(self.spin, return_index=True, return_counts=True)[1:]
        sums = np.abs(np.add.reduceat(states, first, axis=1, dtype=np.int32))
        return float((sums != counts)[:, counts > 1].mean())


def place(graph: Graph, degree: int, strength: float) -> Placement | None:
    """A placement on cells of that many wires; None where chains cannot help (a cell needs three wires for them).

    Args:
        graph: the model.
        degree: wires of a cell.
        strength: beta times the coupling inside a chain, beyond the largest coupling of the graph.
    """
    if graph.degree <= degree and graph.colours is not None:
        return Placement(graph, np.arange(graph.spins, dtype=np.int32), graph.colours, 0)
    return None if degree < 3 else _Placing(graph, degree).done(strength)


class _Placing:
    """Gives out cells and wires, edge by edge."""

    def __init__(self, graph: Graph, degree: int) -> None:
        self._graph, self._degree = graph, degree
        self._colour: list[int] = []
        self._spin: list[int] = []
        self._free: list[int] = []  # wires left, by cell
        self._open: list[tuple[list[int], list[int]]] = [
            ([], []) for _ in range(graph.spins)
        ]  # cells with any, by colour
        self._last = [0] * graph.spins  # end of each spin's chain
        self._wires: list[tuple[int, int]] = []
        self._links: list[tuple[int, int]] = []
        colours = _spread(graph)
        chained = _chained(graph, degree, colours)
        for spin in range(graph.spins):
            self._cell(spin, int(colours[spin]), degree - 2 if chained[spin] else degree)
            if chained[spin]:
                for _ in range(max(2, -(-(int(graph.degrees[spin]) - 2) // (degree - 2))) - 1):
                    self._lengthen(spin)
        for i, j in graph.edges.tolist():
            self._join(i, j, chained)

    def _cell(self, spin: int, colour: int, wires: int) -> None:
        cell = len(self._spin)
        self._spin.append(spin)
        self._colour.append(colour)
        self._free.append(wires)
        self._last[spin] = cell
        self._open[spin][colour].append(cell)

    def _lengthen(self, spin: int) -> None:
        """Adds a cell of the other colour; two wires of every cell of a chain are for its links."""
        before = self._last[spin]
        self._cell(spin, 1 - self._colour[before], self._degree - 2)
        self._links.append((before, self._last[spin]))

    def _join(self, i: int, j: int, chained: npt.NDArray[np.bool_]) -> None:
        """Wires two spins over cells of different colours, on longer chains where no such pair has a wire left."""
        while (colour := self._match(i, j)) is None:
            bare = [spin for spin in (i, j) if not any(self._open[spin])]  # a chain without a wire left comes first
            self._lengthen(next(spin for spin in (*bare, i, j) if chained[spin]))
        ends = []
        for spin, one in ((i, colour), (j, 1 - colour)):
            cells = self._open[spin][one]
            ends.append(cells[0])
            self._free[cells[0]] -= 1
            if not self._free[cells[0]]:
                cells.pop(0)
        self._wires.append((ends[0], ends[1]))

    def _match(self, i: int, j: int) -> int | None:
        """Colour of the cell of `i`, the cell of `j` having the other, so that both have wires left."""
        return next((colour for colour in (0, 1) if self._open[i][colour] and self._open[j][1 - colour]), None)

    def done(self, strength: float) -> Placement:
        """The placement; cells are numbered by spin, so that a chain's lie together."""
        graph = self._graph
        order = np.argsort(self._spin, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        spin = np.asarray(self._spin, dtype=np.int32)[order]
        lengths = np.bincount(spin, minlength=graph.spins)
        held = float(np.abs(graph.couplings).max(initial=0.0)) + strength / max(graph.beta, 1e-9)
        pairs = np.sort(place[np.asarray(self._wires + self._links, dtype=np.int64).reshape(-1, 2)], axis=1)
        couplings = np.concatenate([graph.couplings, np.full(len(self._links), held)])
        cells = Graph((graph.biases / lengths)[spin], pairs.astype(np.int32), couplings, graph.beta)
        colours = np.asarray(self._colour, dtype=np.int32)[order]
        return Placement(cells, spin, colours, int((lengths > 1).sum()))


def _spread(graph: Graph) -> Ints:
    """A colour for each spin that leaves few edges between equal ones: each takes what its neighbours have less."""
    start, neighbour, _ = graph.rows
    side = np.zeros(graph.spins, dtype=np.int32)  # -1 or 1 once coloured
    for spin in range(graph.spins):
        side[spin] = -1 if side[neighbour[start[spin] : start[spin + 1]]].sum() > 0 else 1
    return (side + 1) // 2


def _chained(graph: Graph, degree: int, colours: Ints) -> npt.NDArray[np.bool_]:
    """Spins that must be chains: too many neighbours, or an end of an edge between equal colours (the busier end)."""
    chained = graph.degrees > degree
    equal = graph.edges[colours[graph.edges[:, 0]] == colours[graph.edges[:, 1]]]
    load = np.bincount(equal.ravel(), minlength=graph.spins)
    for i, j in equal[np.argsort(-load[equal].max(axis=1), kind="stable")].tolist():
        if not (chained[i] or chained[j]):
            chained[i if load[i] >= load[j] else j] = True
    return np.asarray(chained, dtype=bool)
