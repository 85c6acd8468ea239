"""Laws of thermodynamic samplers, over those of the catalogue."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import chips
from silmark.chips.mechanisms import Placement, build
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Boundary, Gemm, Gibbs

SAMPLERS = [name for name in chips.names() if chips.load(name).family == "thermodynamic"]
samplers = st.sampled_from(SAMPLERS)
samples = st.integers(1, 100_000)


def gibbs(m, nodes=400, degree=12, **changes):
    op = Gibbs(
        name="g", m=np.asarray(m, dtype=np.float64), nodes=nodes, degree=degree, colours=2, sweeps=250, reads=100,
        writes=0,
    )  # fmt: skip
    return dataclasses.replace(op, **changes)


def machine(name, key="", factor=1.0):
    chip = chips.load(name)
    if key:
        chip = chip.with_figure(key, factor * chip.si(key))
    return build(chip, Precision.of(chip.precision), Placement())


@given(samplers, samples, samples, st.integers(0, 50))
def test_more_samples_never_take_less_time(name, m, more, writes):
    few, many = machine(name).cost(gibbs([m, m + more], writes=writes)).time_s
    assert few <= many * (1 + 1e-12)


@given(samplers, st.lists(samples, min_size=1, max_size=5), st.sampled_from([1.0, 8.0]), st.integers(0, 50))
def test_arrays_equal_elements_and_parts_are_sound(name, ms, count, writes):
    mechanism = machine(name)
    cost = mechanism.cost(gibbs(ms, writes=writes, count=count))
    assert all((part >= 0).all() for part in cost.parts.values())
    assert cost.bound_by() in cost.parts
    for j, m in enumerate(ms):
        alone = mechanism.cost(gibbs(m, writes=writes, count=count))
        assert alone.time_s.shape == ()
        assert float(alone.time_s) == pytest.approx(cost.time_s[j])
        assert float(alone.energy_j) == pytest.approx(cost.energy_j[j])


@given(samplers, st.integers(1, 400), st.integers(1, 40), st.integers(1, 5))
def test_larger_or_denser_graphs_never_take_less(name, nodes, degree, more):
    mechanism = machine(name)
    small, wide, dense = (
        mechanism.cost(gibbs(1000, nodes=n, degree=d))
        for n, d in ((nodes, degree), (nodes + more, degree), (nodes, degree + more))
    )
    assert float(small.time_s) <= float(wide.time_s)
    assert float(small.energy_j) <= float(wide.energy_j)
    assert float(small.time_s) <= float(dense.time_s)


@given(samplers, samples)
def test_better_silicon_is_never_slower(name, m):
    op = gibbs(m, writes=3)
    plain = machine(name).cost(op)
    for name_, factor in (("cells", 2), ("colour_time", 0.5), ("readout", 0.5), ("write_rate", 2)):
        key = f"compute.{name_}"
        assert float(machine(name, key, factor).cost(op).time_s) <= float(plain.time_s) * (1 + 1e-12)
    for key in ("energy.cell", "energy.read", "energy.write"):
        assert float(machine(name, key, 0.5).cost(op).energy_j) <= float(plain.energy_j) * (1 + 1e-12)


def test_dense_nodes_become_chains():
    z1 = machine("extropic-z1")
    assert [z1.cells_per_node(d) for d in (8, 16, 17, 30, 31)] == [1, 1, 2, 2, 3]
    assert z1.copies(gibbs(1, nodes=4900)) == 2 * z1.copies(gibbs(1, nodes=4900, degree=30)) + 1


def test_what_does_not_fit_is_refused_with_the_reason():
    z1 = machine("extropic-z1")
    large = gibbs([1.0, 2.0], nodes=300_000)
    assert "300000 nodes" in z1.refuses(large)
    assert np.isinf(z1.cost(large).time_s).all()
    assert z1.refuses(gibbs(1)) is None
    gemm = Gemm(name="g", m=np.ones(1), n=1, k=1)
    assert "only draws samples" in z1.refuses(gemm)
    with pytest.raises(BadValue, match="operator"):
        z1.cost(gemm)
    assert float(z1.cost(Boundary(name="b", scope="step", m=np.ones(()), hidden=1)).time_s) == 0


def test_a_chip_of_two_neighbours_cannot_chain():
    chip = chips.load("extropic-z1").with_figure("compute.degree", 2)
    mechanism = build(chip, Precision.of(chip.precision), Placement())
    assert math.isinf(mechanism.cells_per_node(3))
    assert mechanism.copies(gibbs(1, degree=3)) == 0
