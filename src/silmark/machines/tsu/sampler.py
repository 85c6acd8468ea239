"""Many chains of two-colour Gibbs sampling of one graph: states, clamps, sweeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from silmark.errors import BadValue
from silmark.machines.tsu.cells import IDEAL, Cells, programmed
from silmark.machines.tsu.graph import Floats, Graph

Spins = npt.NDArray[np.int8]
LANES = (1, 16, 64)
"""Chains that one block runs side by side. More hide the latency of a chain's own steps: measured, 64 chains cost
little more than 16."""
MOST_BYTES = 1 << 30
"""Of the chains' states: a bound for what a stranger's program may ask."""


class Sampler:
    """Chains of one graph. Each has its own stream of random numbers: chain c of a seed is the same however many run.

    Args:
        graph: the model; it must have two colours, or `colours` says who updates together.
        chains: independent chains.
        seed: of the initial states and of all draws.
        cells: imperfections of the chip.
        interval_s: time between two draws of a cell, which correlated noise needs.
        clamped: spins that keep their state.
        biases: of each chain, shape (chains, spins), instead of the graph's.
        colours: class of each spin; those of one class update together.
    """

    def __init__(
        self,
        graph: Graph,
        chains: int,
        seed: int = 0,
        *,
        cells: Cells = IDEAL,
        interval_s: float = 0.0,
        clamped: Sequence[int] | npt.NDArray[np.integer] = (),
        biases: Floats | None = None,
        colours: npt.NDArray[np.integer] | None = None,
    ) -> None:
        classes = graph.colours if colours is None else colours
        if classes is None:
            raise BadValue("graph", "odd cycle", "a graph of two colours, or chains that make it one (`embed`)")
        self.graph = graph
        self.chains = chains
        self._lanes = next((lanes for lanes in LANES if chains <= lanes), LANES[-1])
        self._blocks = -(-chains // self._lanes)
        if chains < 1 or self._blocks * self._lanes * graph.spins * 4 > MOST_BYTES:
            raise BadValue("chains", chains, f"1 to {MOST_BYTES // (4 * graph.spins)} of {graph.spins} spins each")
        given = graph.biases if biases is None else biases
        program = programmed(graph, cells, given)
        stay = cells.stay(interval_s)
        free = np.ones(graph.spins, dtype=bool)
        free[np.asarray(clamped, dtype=np.int64)] = False
        order = np.argsort(classes, kind="stable")
        order = order[free[order]].astype(np.int32)
        draws = np.random.default_rng([seed, 1])
        stream = draws.integers(0, 1 << 32, (self._blocks * self._lanes, 4), dtype=np.uint32)
        stream = np.ascontiguousarray(stream.reshape(self._blocks, self._lanes, 4).transpose(0, 2, 1))
        starts = np.random.default_rng([seed, 2])
        self._state = self._folded(1.0 - 2.0 * starts.integers(0, 2, (chains, graph.spins), dtype=np.int8))
        uniform = self._folded(starts.random((chains, graph.spins), dtype=np.float32)) if stay else None
        stuck = uniform if uniform is not None else np.zeros((1, 1, self._lanes), dtype=np.float32)
        self._noise = (stream, stuck, stay)
        field = program.field
        wide = self._folded(field) if field.ndim == 2 else np.repeat(field[None, :, None], self._lanes, axis=2)
        self._rows = (program.start, program.neighbour, program.weight, wide, order)

    @property
    def free(self) -> int:
        """Spins that are drawn."""
        return len(self._rows[-1])

    @property
    def spins(self) -> Spins:
        """States as +-1, shape (chains, spins)."""
        wide = self._state.transpose(0, 2, 1).reshape(-1, self.graph.spins)
        return wide[: self.chains].astype(np.int8)

    def set_spins(self, which: npt.NDArray[np.integer], values: npt.NDArray[np.generic]) -> None:
        """Sets some spins of all chains: `which` (k,), values +-1 (chains, k) or (k,)."""
        states = self.spins
        states[:, which] = values
        self._state = self._folded(states)

    def sweep(self, count: int = 1) -> None:
        """Draws every free spin `count` times, one colour after the other."""
        from silmark.machines.tsu.kernel import sweeps  # noqa: PLC0415 - imports the compiler

        sweeps(self._lanes)(self._state, self._rows, self._noise, count)

    def samples(self, frames: int, sweeps_between: int) -> Spins:
        """Frames with so many sweeps before each, shape (frames, chains, spins)."""
        found = np.empty((frames, self.chains, self.graph.spins), dtype=np.int8)
        for frame in range(frames):
            self.sweep(sweeps_between)
            found[frame] = self.spins
        return found

    def moments(self) -> tuple[Floats, Floats]:
        """Means over chains of all spins (spins,), and of s_i s_j over all edges (edges,)."""
        from silmark.machines.tsu.kernel import sums  # noqa: PLC0415 - imports the compiler

        means, pairs = np.zeros(self.graph.spins), np.zeros(len(self.graph.edges))
        first, second = np.ascontiguousarray(self.graph.edges.T)
        sums(self._state, self.chains, first, second, pairs, means)
        return means / self.chains, pairs / self.chains

    def _folded(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """(chains, spins) to (blocks, spins, lanes); lanes without a chain hold +1."""
        wide = np.ones((self._blocks * self._lanes, self.graph.spins), dtype=np.float32)
        wide[: self.chains] = values
        return np.ascontiguousarray(wide.reshape(self._blocks, self._lanes, -1).transpose(0, 2, 1))
