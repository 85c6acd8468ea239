"""How fast an Ising model is sampled: spin updates per wall second of one core, and thrml beside it in the same run.

Both draw the same work: chains of a lattice of 70 x 70 spins with open borders, two colours, the same count of sweeps,
compiled before the clock starts. thrml (pip install 'silmark[thermo]') runs on JAX's CPU backend, which takes all cores
that it finds; elsewhere figures of an earlier run are cited.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from silmark.machines.tsu.graph import Graph, lattice
from silmark.machines.tsu.sampler import Sampler

SIDE, SWEEPS = 70, 250
CASES = (("square", 0.3, 32), ("square", 0.3, 256), ("g12", 0.05, 256), ("z1", 0.05, 256))
"""Lattice, coupling, chains."""
_CITED = {"square": 34.5e6, "g12": 15.4e6, "z1": 14.9e6}
"""Updates per second of thrml 0.1.4 in an earlier run: 32 chains of square, 8 of the others."""


def best(work: Callable[[], object], repeats: int = 3) -> float:
    """Smallest wall time of several runs, in s."""
    walls = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        walls.append(time.perf_counter() - start)
    return min(walls)


def ours(graph: Graph, chains: int) -> float:
    """Updates per second."""
    sampler = Sampler(graph, chains)
    sampler.sweep(1)
    return graph.spins * chains * SWEEPS / best(lambda: sampler.sweep(SWEEPS))


def peer(graph: Graph, chains: int) -> float | None:
    """Updates per second of thrml; None where it is not installed."""
    try:
        import jax  # noqa: PLC0415 - an extra
        import jax.numpy as jnp  # noqa: PLC0415
        from thrml import Block, SamplingSchedule, SpinNode, sample_states  # noqa: PLC0415
        from thrml.models import IsingEBM, IsingSamplingProgram, hinton_init  # noqa: PLC0415
    except ImportError:
        return None
    nodes = [SpinNode() for _ in range(graph.spins)]
    edges = [(nodes[i], nodes[j]) for i, j in graph.edges.tolist()]
    model = IsingEBM(nodes, edges, jnp.zeros(graph.spins), jnp.asarray(graph.couplings), jnp.asarray(graph.beta))
    colours = graph.colours
    assert colours is not None
    blocks = [Block([node for node, colour in zip(nodes, colours, strict=True) if colour == one]) for one in (0, 1)]
    program = IsingSamplingProgram(model, blocks, clamped_blocks=[])
    schedule = SamplingSchedule(SWEEPS - 1, 1, 1)

    def one(key: Any, state: Any) -> Any:  # noqa: ANN401 - types of an optional library
        return sample_states(key, program, schedule, state, [], [Block(nodes)])

    many = jax.jit(jax.vmap(one))
    state = hinton_init(jax.random.key(0), model, blocks, (chains,))
    keys = jax.random.split(jax.random.key(1), chains)

    def run() -> None:
        jax.block_until_ready(many(keys, state))

    run()
    return graph.spins * chains * SWEEPS / best(run, 2)


def rows() -> list[tuple[str, str, str]]:
    """Lines of the table of speeds: one per lattice."""
    found = []
    for name, coupling, chains in CASES:
        graph = lattice(name, SIDE, coupling)
        mine, other = ours(graph, chains), peer(graph, chains)
        cited = f"{_CITED[name] / 1e6:,.0f} million (thrml 0.1.4 in an earlier run)"
        beside = cited if other is None else f"{other / 1e6:,.0f} million (thrml, all cores)"
        found.append(
            (f"spin updates per second, {name} 70 x 70, {chains} chains", f"{mine / 1e6:,.0f} million", beside)
        )
    return found


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(row))
