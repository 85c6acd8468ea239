"""Spins as chains of cells: what any placement has to keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import chips
from silmark.chips.mechanisms import Placement, build
from silmark.formats import Precision
from silmark.machines.tsu import exact
from silmark.machines.tsu.embed import place
from silmark.machines.tsu.graph import lattice, make
from silmark.machines.tsu.sampler import Sampler


def complete(spins, coupling=0.1):
    edges = [(i, j) for i in range(spins) for j in range(i + 1, spins)]
    return make([0.05] * spins, edges, [coupling] * len(edges))


@st.composite
def graphs(draw):
    spins = draw(st.integers(2, 14))
    pairs = [(i, j) for i in range(spins) for j in range(i + 1, spins)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1, max_size=40))
    return make(np.linspace(-1, 1, spins), edges, np.linspace(0.1, 0.9, len(edges)))


@settings(max_examples=60)
@given(graphs(), st.integers(3, 16))
def test_any_graph_is_held(graph, degree):
    placed = place(graph, degree, 2.0)
    cells, spin = placed.cells, placed.spin
    ends = spin[cells.edges]
    assert cells.degree <= degree
    assert (placed.colours[cells.edges[:, 0]] != placed.colours[cells.edges[:, 1]]).all()
    logical = ends[:, 0] != ends[:, 1]
    assert sorted(map(tuple, np.sort(ends[logical], axis=1))) == sorted(map(tuple, graph.edges))
    lengths = np.bincount(spin, minlength=graph.spins)
    assert (~logical).sum() == (lengths - 1).sum(), "a chain of n cells has n - 1 links"
    assert placed.chains == (lengths > 1).sum()
    for one in range(graph.spins):  # links join each chain from end to end
        mine = np.flatnonzero(spin == one)
        links = {tuple(pair) for pair in cells.edges[~logical] if spin[pair[0]] == one}
        assert links == {(a, a + 1) for a in mine[:-1]}
    states = np.where(np.random.default_rng(0).random((5, graph.spins)) < 0.5, -1, 1).astype(np.int8)
    assert (placed.read(states[:, spin]) == states).all()
    assert placed.torn(states[:, spin]) == 0
    whole = cells.energy(states[:, spin]) + (~logical).sum() * (2.0 + np.abs(graph.couplings).max())
    assert whole == pytest.approx(graph.energy(states)), "where no chain is torn, the energies differ by a constant"


def test_what_fits_stays_as_it_is():
    graph = lattice("z1", 20, 0.1)
    placed = place(graph, 16, 2.0)
    assert placed.cells is graph
    assert placed.chains == 0
    assert place(graph, 2, 2.0) is None


def test_a_triangle_needs_one_chain():
    placed = place(complete(3), 16, 2.0)
    assert (placed.chains, placed.cells.spins) == (1, 4)


def test_majority_and_torn_chains():
    placed = place(complete(3), 16, 2.0)
    long = int(np.flatnonzero(np.bincount(placed.spin) == 2)[0])
    states = np.ones((4, placed.cells.spins), dtype=np.int8)
    first, second = np.flatnonzero(placed.spin == long)
    states[1, first] = states[2, second] = -1
    states[3, [first, second]] = -1
    assert placed.torn(states) == 0.5
    assert placed.read(states)[:, long].tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize(("strength", "sweeps", "away"), [(1.0, 100, 0.4), (3.0, 1000, 0.06)])
def test_chains_draw_from_the_graph(strength, sweeps, away):
    """A complete graph of six spins on cells of four wires: the stronger the chains, the nearer to the exact answer."""
    graph = complete(6, 0.15)
    placed = place(graph, 4, strength)
    sampler = Sampler(placed.cells, 4096, 1, colours=placed.colours)
    sampler.sweep(sweeps)
    samples = placed.read(sampler.samples(10, sweeps // 2).reshape(-1, placed.cells.spins))
    right = exact.moments(graph)[1]
    found = graph.agreement(samples)
    assert found == pytest.approx(right, rel=away)
    assert found.mean() < right.mean(), "torn chains weaken what they hold together"


@pytest.mark.parametrize(("spins", "least", "most"), [(17, 1.0, 2.1), (40, 0.8, 1.7), (80, 0.8, 1.5), (300, 0.8, 1.2)])
def test_cells_of_complete_graphs_against_the_mechanism(spins, least, most):
    """The mechanism counts wires alone; odd cycles cost cells too, about as many again where wires are plenty."""
    chip = chips.load("extropic-z1")
    mechanism = build(chip, Precision.of(chip.precision), Placement())
    graph = complete(spins)
    ratio = place(graph, 16, 2.0).cells.spins / (spins * mechanism.cells_per_node(graph.degree))
    assert least <= ratio <= most
