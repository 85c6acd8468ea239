"""The sampler against exact answers: enumeration, transfer matrices, Onsager, detailed balance, thrml."""

import math

import numpy as np
import pytest

from silmark.errors import BadValue
from silmark.machines.tsu import exact
from silmark.machines.tsu.cells import Cells, converted
from silmark.machines.tsu.graph import Graph, lattice, make
from silmark.machines.tsu.sampler import Sampler


def random_graph(seed=0, size=5, strength=0.6, fields=0.5):
    """A complete bipartite graph with couplings and fields of all signs."""
    rng = np.random.default_rng(seed)
    edges = [(i, j) for i in range(size) for j in range(size, 2 * size)]
    return make(rng.normal(0, fields, 2 * size), edges, rng.normal(0, strength, size * size), beta=0.8)


def drawn(graph, chains=2048, frames=40, between=8, warmup=200, **more):
    sampler = Sampler(graph, chains, 5, **more)
    sampler.sweep(warmup)
    return sampler.samples(frames, between).reshape(-1, graph.spins)


@pytest.mark.parametrize(("name", "degree", "edges"), [("square", 4, 9660), ("g12", 12, 26_088), ("z1", 16, 37_264)])
def test_published_lattices(name, degree, edges):
    """Degrees as published; 26,088 and 37,264 edges of 70 x 70 spins are what thrml was given."""
    graph = lattice(name, 70)
    assert (graph.degree, len(graph.edges)) == (degree, edges)
    assert (graph.colours[graph.edges[:, 0]] != graph.colours[graph.edges[:, 1]]).all()
    closed = lattice(name, 24, periodic=True)
    assert (closed.degrees == degree).all()
    assert closed.colours is not None
    assert len(np.unique(closed.edges, axis=0)) == len(closed.edges) == 24 * 24 * degree // 2


def test_exact_answers_agree_with_each_other():
    """Transfer matrix = enumeration on 3 x 3, approaches Onsager, which is 1/sqrt(2) at the critical point."""
    small = make(np.zeros(9), *_torus_edges(3, 0.3))
    assert exact.moments(small)[1].mean() == pytest.approx(exact.torus_correlation(3, 0.3), abs=1e-12)
    away = [abs(exact.torus_correlation(side, 0.3) - exact.onsager_correlation(0.3)) for side in (4, 6, 8, 10)]
    assert away == sorted(away, reverse=True)
    assert away[-1] < 2e-3
    critical = math.log(1 + math.sqrt(2)) / 2
    assert exact.onsager_correlation(critical) == pytest.approx(math.sqrt(0.5), abs=1e-6)
    assert exact.onsager_correlation(0.01) == pytest.approx(0.01, rel=1e-3), "tanh K at high temperature"
    assert exact.onsager_correlation(3.0) == pytest.approx(1.0, abs=1e-4)
    assert 2 * exact.onsager_correlation(0.3) == pytest.approx(0.7045, abs=5e-5), "energy per spin of the dossier"


def _torus_edges(side, coupling):
    edges = [
        (x * side + y, (x + dx) % side * side + (y + dy) % side)
        for x in range(side)
        for y in range(side)
        for dx, dy in ((0, 1), (1, 0))
    ]
    return edges, [coupling] * len(edges)


@pytest.mark.parametrize("strength", [0.1, 0.3, 0.4])
def test_neighbour_correlation_of_a_finite_torus(strength):
    """8 x 8 against the transfer matrix: within four standard errors (over independent chains)."""
    graph = lattice("square", 8, strength, periodic=True)
    sampler = Sampler(graph, 2048, 1)
    sampler.sweep(300)
    each = np.stack([(s[:, graph.edges[:, 0]] * s[:, graph.edges[:, 1]]).mean(1) for s in sampler.samples(10, 20)])
    chains = each.mean(axis=0)
    error = chains.std() / math.sqrt(len(chains))
    assert chains.mean() == pytest.approx(exact.torus_correlation(8, strength), abs=4 * error)
    assert error < 2e-3


def test_neighbour_correlation_of_a_large_lattice():
    """64 x 64 at beta J = 0.3: finite-size effects are far below the tolerance of four standard errors."""
    graph = lattice("square", 64, 1.0, beta=0.3, periodic=True)
    sampler = Sampler(graph, 64, 2)
    sampler.sweep(150)
    found = np.stack([(s[:, graph.edges[:, 0]] * s[:, graph.edges[:, 1]]).mean(1) for s in sampler.samples(10, 20)])
    error = found.mean(axis=0).std() / 8
    assert found.mean() == pytest.approx(exact.onsager_correlation(0.3), abs=4 * error)
    assert error < 1e-3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_marginals_of_small_graphs(seed):
    """Means and correlations of ten spins with couplings of both signs, against all 1,024 configurations."""
    graph = random_graph(seed)
    samples = drawn(graph)
    means, pairs = exact.moments(graph)
    error = 1 / math.sqrt(2048 * 10)  # forty frames of a chain, counted as ten independent ones
    assert np.abs(samples.mean(axis=0) - means).max() < 4.5 * error
    assert np.abs(graph.agreement(samples) - pairs).max() < 4.5 * error


@pytest.mark.parametrize("chains", [1, 16, 64, 100])
def test_one_cell_draws_with_the_probability_of_the_formula(chains):
    """P(+1) = sigma(2 beta gamma) for every state of three clamped neighbours, in kernels of every width."""
    graph = make([0.3, 0, 0, 0], [(0, 1), (0, 2), (0, 3)], [0.9, -0.5, 0.2], beta=0.7)
    for code in range(8):
        signs = 1 - 2 * (code >> np.arange(3) & 1)
        sampler = Sampler(graph, chains, code, clamped=[1, 2, 3])
        sampler.set_spins(np.array([1, 2, 3]), signs)
        count = 40_000 // chains
        up = np.mean([(sampler.sweep(), sampler.spins[:, 0])[1] > 0 for _ in range(min(count, 4000))])
        right = 1 / (1 + math.exp(-2 * 0.7 * (0.3 + 0.9 * signs[0] - 0.5 * signs[1] + 0.2 * signs[2])))
        assert up == pytest.approx(right, abs=4.5 * math.sqrt(right * (1 - right) / (min(count, 4000) * chains)))
        assert (sampler.spins[:, 1:] == signs).all()


def test_detailed_balance():
    """In equilibrium, A then B takes s to t as often as B then A takes t to s; and A then B is not its own reverse."""
    graph = make([0.4, -0.3, 0.2], [(0, 1), (1, 2)], [0.8, -0.6])
    count = np.zeros((2, 8, 8))
    for order in (0, 1):
        sampler = Sampler(graph, 100_000, 7 + order, colours=graph.colours ^ order)
        sampler.sweep(60)
        before = sampler.spins
        sampler.sweep()
        rows, columns = (((s > 0) @ (1, 2, 4)) for s in (before, sampler.spins))
        np.add.at(count[order], (rows, columns), 1)
    difference = (count[0] - count[1].T) / np.sqrt(np.maximum(count[0] + count[1].T, 1))
    assert np.abs(difference).max() < 4.5
    alone = (count[0] - count[0].T) / np.sqrt(np.maximum(count[0] + count[0].T, 1))
    assert np.abs(alone).max() > 10
    stationary = np.abs(count[0].sum(axis=0) / 1e5 - exact.distribution(graph))
    assert stationary.max() < 4.5 * 0.5 / math.sqrt(1e5)


def test_chains_are_the_same_however_many_run():
    graph = random_graph()
    few, many = (drawn(graph, chains, 1, 5, 0).reshape(chains, -1) for chains in (20, 60))
    assert (few == many[:20]).all()
    assert (drawn(graph, 20, 1, 5, 0) == few).all()
    assert not (Sampler(graph, 20, 6).spins == Sampler(graph, 20, 5).spins).all()


def test_each_chain_may_have_its_own_biases():
    graph = make([0.0, 0.0], [(0, 1)], [0.0])
    biases = np.repeat([[5.0, -5.0], [-5.0, 5.0]], 50, axis=0)
    sampler = Sampler(graph, 100, 0, biases=biases)
    sampler.sweep(1)
    assert (sampler.spins == np.sign(biases)).mean() > 0.99


def test_moments_are_those_of_the_states():
    graph = random_graph()
    sampler = Sampler(graph, 77, 3)
    sampler.sweep(5)
    means, pairs = sampler.moments()
    assert means == pytest.approx(sampler.spins.mean(axis=0))
    assert pairs == pytest.approx(graph.agreement(sampler.spins))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_converters(bits):
    values = np.random.default_rng(bits).normal(size=1000)
    held = converted(values, bits)
    step = np.abs(values).max() / (2 ** (bits - 1) - 1)
    assert np.abs(held - values).max() <= step / 2 + 1e-12
    assert len(np.unique(held)) <= 2**bits - 1
    assert converted(held, bits) == pytest.approx(held)
    assert (converted(-values, bits) == -held).all()
    assert converted(values, 0) is values


def test_cells_have_slopes_and_centres_of_their_own():
    """A free cell of a biased pair draws with sigma((2 beta b + d) / (1 + g)), the chip's seed its own d and g."""
    graph = make([0.6] * 400, [], [], beta=1.0)
    cells = Cells(gain=0.1, offset=0.3, seed=4)
    samples = drawn(graph, 4096, 4, 1, 1, cells=cells)
    rng = np.random.default_rng(4)
    gain, offset = 0.1 * rng.standard_normal(400), 0.3 * rng.standard_normal(400)
    right = 1 / (1 + np.exp(-(1.2 + offset) / (1 + gain)))
    assert np.abs((samples > 0).mean(axis=0) - right).max() < 4.5 * 0.5 / math.sqrt(4 * 4096)
    same = drawn(graph, 4096, 4, 1, 1, cells=Cells(gain=0.1, offset=0.3, seed=5))
    assert np.abs((same > 0).mean(axis=0) - right).max() > 0.05


def test_noise_forgets_exponentially():
    """Successive draws of a lone cell correlate by rho^lag, rho = exp(-t / tau0), and its probability stays exact."""
    graph = make([0.2], [], [])
    cells = Cells(correlation_s=1e-7)
    sampler = Sampler(graph, 65_536, 1, cells=cells, interval_s=2e-8)
    first = sampler.spins[:, 0]
    sampler.sweep(30)
    start = sampler.spins[:, 0].astype(float)
    assert abs(np.corrcoef(first, start)[0, 1]) < 0.02
    assert (start > 0).mean() == pytest.approx(1 / (1 + math.exp(-0.4)), abs=4.5 * 0.5 / 256)
    for lag in range(1, 6):
        sampler.sweep()
        rho = math.exp(-0.2 * lag)
        assert np.corrcoef(start, sampler.spins[:, 0])[0, 1] == pytest.approx(rho, abs=0.02)


def test_correlated_noise_moves_the_equilibrium():
    """What slow noise costs: at 2 tau0 per draw little, at tau0 / 5 correlations are far from Boltzmann's."""
    graph = random_graph()
    right = exact.moments(graph)[1]
    near, far = (
        np.abs(graph.agreement(drawn(graph, cells=Cells(correlation_s=tau), interval_s=1.0)) - right).max()
        for tau in (0.5, 5.0)
    )
    assert near < 0.03
    assert far > 0.08


def test_bad_graphs_and_samplers():
    for wrong in (
        lambda: make([0, 0], [(0, 2)], [1.0]),
        lambda: make([0, 0], [(0, 0)], [1.0]),
        lambda: make([0, 0], [(0, 1), (1, 0)], [1.0, 1.0]),
        lambda: make([0, math.nan], [(0, 1)], [1.0]),
        lambda: make([0, 0], [(0, 1)], [1.0, 2.0]),
        lambda: make([0, 0], [(0, 1)], [1.0], beta=-1.0),
        lambda: lattice("cube", 4),
        lambda: lattice("square", 5, periodic=True),
        lambda: lattice("g12", 20, periodic=True),
        lambda: Cells(bits=1),
        lambda: Cells(gain=0.5),
        lambda: Cells(offset=-1),
        lambda: Sampler(make([0] * 3, [(0, 1), (1, 2), (0, 2)], [1.0] * 3), 4),
        lambda: Sampler(lattice("square", 70), 1 << 20),
        lambda: Sampler(lattice("square", 4), 0),
        lambda: exact.states(30),
        lambda: exact.torus_correlation(20, 0.3),
        lambda: exact.onsager_correlation(0.0),
    ):
        with pytest.raises(BadValue):
            wrong()


@pytest.mark.slow
@pytest.mark.thermo
@pytest.mark.filterwarnings("ignore")
def test_thrml_draws_from_the_same_distribution():
    """Marginals of thrml's sampler and of this one, on one graph of ten spins: both within the error of all states."""
    jax = pytest.importorskip("jax", reason="needs thrml (pip install 'silmark[thermo]')")
    thrml = pytest.importorskip("thrml", reason="needs thrml (pip install 'silmark[thermo]')")
    models = pytest.importorskip("thrml.models")
    graph: Graph = random_graph(3)
    nodes = [thrml.SpinNode() for _ in range(graph.spins)]
    edges = [(nodes[i], nodes[j]) for i, j in graph.edges.tolist()]
    numbers = jax.numpy.asarray
    model = models.IsingEBM(nodes, edges, numbers(graph.biases), numbers(graph.couplings), numbers(graph.beta))
    blocks = [thrml.Block([nodes[i] for i in np.flatnonzero(graph.colours == colour)]) for colour in (0, 1)]
    program = models.IsingSamplingProgram(model, blocks, clamped_blocks=[])
    schedule = thrml.SamplingSchedule(100, 20, 8)
    state = models.hinton_init(jax.random.key(0), model, blocks, (1024,))
    run = jax.jit(jax.vmap(lambda key, one: thrml.sample_states(key, program, schedule, one, [], [thrml.Block(nodes)])))
    theirs = 2.0 * np.asarray(run(jax.random.split(jax.random.key(1), 1024), state)[0]).reshape(-1, graph.spins) - 1
    ours = drawn(graph)
    means, pairs = exact.moments(graph)
    for samples in (theirs, ours):
        assert np.abs(samples.mean(axis=0) - means).max() < 0.03
        assert np.abs(graph.agreement(samples) - pairs).max() < 0.03
    assert np.abs(theirs.mean(axis=0) - ours.mean(axis=0)).max() < 0.04
