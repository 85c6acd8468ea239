"""Groups that span units: laws, what the choice is made of, and public timings that no fit has seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import models
from silmark.errors import BadValue
from silmark.fabric import Link, Reach, algorithms, collective_time, exchange_time, group_time, terms_of
from silmark.fabric.topology import shape, tiers
from silmark.formats import Precision
from silmark.graph import Collective
from silmark.mapping import Plan
from silmark.step import StepModel, compile_step
from silmark.systems.catalog import load, names, target
from silmark.workloads import Step

PATTERNS = st.sampled_from(["all-reduce", "all-gather", "reduce-scatter", "all-to-all"])
LIBRARIES = st.sampled_from(["gpu", "rccl", "oneccl", "static", "xla"])
payloads = st.floats(1, 1e11)


@st.composite
def reaches(draw: st.DrawFn) -> Reach:
    library, node, units = draw(LIBRARIES), draw(st.integers(1, 16)), draw(st.integers(2, 40))
    up = Link(
        draw(st.sampled_from(["switch", "all-to-all", "ring", "torus", "mesh"])),
        draw(st.floats(1e10, 1e13)),
        draw(st.floats(0, 1e-5)),
        in_network_reduction=draw(st.booleans()),
        size=draw(st.sampled_from([0, 16])),
        library=library,
        pace=draw(st.floats(0.3, 3)),
    )
    rate = draw(st.floats(1e9, 1e12))
    out = Link(
        draw(st.sampled_from(["fat-tree", "rail"])),
        rate,
        draw(st.floats(0, 1e-4)),
        in_network_reduction=draw(st.booleans()),
        size=draw(st.sampled_from([0, 1, 4, 32])),
        library=library,
        kernels=False,
        beyond_bytes_per_s=rate / draw(st.floats(1, 8)),
    )
    return Reach(node * units, node, up, out)


@given(PATTERNS, reaches(), payloads, payloads)
def test_more_bytes_never_take_less_time(pattern: str, reach: Reach, few: float, more: float) -> None:
    first, second = group_time(pattern, np.array([few, few + more]), reach)
    assert 0 < first <= second * (1 + 1e-12)


@given(PATTERNS, reaches(), payloads, st.floats(1, 10), st.sampled_from(["up", "out"]))
def test_faster_links_never_take_longer(pattern: str, reach: Reach, payload: float, factor: float, level: str) -> None:
    slow = getattr(reach, level)
    fast = replace(
        slow,
        bandwidth_bytes_per_s=slow.bandwidth_bytes_per_s * factor,
        beyond_bytes_per_s=slow.beyond_bytes_per_s * factor,
        latency_s=slow.latency_s / factor,
    )
    assert group_time(pattern, payload, replace(reach, **{level: fast})) <= group_time(pattern, payload, reach) * (
        1 + 1e-12
    )


@given(PATTERNS, reaches(), payloads, st.floats(1, 8))
def test_what_switches_withhold_never_helps(pattern: str, reach: Reach, payload: float, factor: float) -> None:
    tapered = replace(reach, out=replace(reach.out, beyond_bytes_per_s=reach.out.beyond_bytes_per_s / factor))
    assert group_time(pattern, payload, reach) <= group_time(pattern, payload, tapered) * (1 + 1e-12)


@given(PATTERNS, reaches(), payloads)
def test_the_choice_is_the_fastest_that_there_is(pattern: str, reach: Reach, payload: float) -> None:
    """Hierarchical never slower than the flat ring, sums in switches never slower than without them."""
    times = algorithms(pattern, payload, reach)
    assert float(group_time(pattern, payload, reach)) == pytest.approx(min(map(float, times.values())), rel=1e-12)
    for level in ("up", "out"):
        plain = replace(reach, **{level: replace(getattr(reach, level), in_network_reduction=False)})
        assert group_time(pattern, payload, reach) <= group_time(pattern, payload, plain) * (1 + 1e-12)


@given(PATTERNS, reaches(), payloads)
def test_what_leaves_a_unit_leaves_by_its_ports(pattern: str, reach: Reach, payload: float) -> None:
    """Every unit must hear from the others: what enters or leaves it at least, over all its ports."""
    m, u = reach.node, reach.units
    crossing = {
        "all-reduce": 1.0 / m,
        "all-gather": (u - 1) / u / m,
        "reduce-scatter": (u - 1) / u / m,
        "all-to-all": m * (u - 1) / (m * u - 1),
    }[pattern]
    least = crossing * payload / reach.out.bandwidth_bytes_per_s
    assert float(group_time(pattern, payload, reach)) * (1 + 1e-9) >= least


@given(PATTERNS, st.sampled_from(names()), payloads)
def test_one_chip_costs_nothing_on_any_system(pattern: str, name: str, payload: float) -> None:
    one = target(name).reach(1)
    assert float(group_time(pattern, payload, one)) == 0.0
    assert algorithms(pattern, payload, one) == {}
    assert float(exchange_time(payload, 2.0, one)) == 0.0


@given(PATTERNS, st.sampled_from(names()), payloads, st.integers(2, 64), st.floats(1, 20))
def test_every_system_answers_and_more_bandwidth_never_hurts(
    pattern: str, name: str, payload: float, group: int, factor: float
) -> None:
    system = load(name)
    if system.chips * system.units_max < group:
        return
    reach = replace(target(name), count=group).reach(group)
    fast = replace(reach.out, bandwidth_bytes_per_s=reach.out.bandwidth_bytes_per_s * factor, beyond_bytes_per_s=0.0)
    time = float(group_time(pattern, payload, reach))
    assert 0 < float(group_time(pattern, payload, replace(reach, out=fast))) <= time * (1 + 1e-12)
    for name_ in algorithms(pattern, payload, reach):
        assert terms_of(pattern, name_, reach)


def test_a_group_inside_a_unit_never_sees_the_network() -> None:
    two = target("16x:h100")
    inside = two.reach(8)
    assert (inside.node, inside.units) == (8, 1)
    assert group_time("all-reduce", 1e6, inside) == collective_time("all-reduce", 1e6, 8, two.link("up"))
    assert group_time("all-reduce", 1e6, two.reach(16)) > group_time("all-reduce", 1e6, inside)


def test_tensor_parallelism_over_two_nodes_pays_for_the_network() -> None:
    """What every all-reduce of a layer takes in a compiled step is what the group's reach says."""
    model, nodes = models.load("llama-3.1-70b"), target("16x:h100")
    step = compile_step(model, nodes, Plan(Precision.of("bf16"), tp=16))
    assert isinstance(step, StepModel)
    for share in step.cost(Step.decode(32, 1000)).ops:
        op = share.op
        if isinstance(op, Collective):
            inside = collective_time(op.pattern, op.bytes_, 16, nodes.link("up")) * op.count
            assert share.cost.time_s == group_time(op.pattern, op.bytes_, nodes.reach(16)) * op.count > inside
    assert {"system.scale_out.latency", "calibration.fabric.network.gpu"} <= set(step.figures)


def test_members_lie_where_the_plan_puts_them() -> None:
    """Tensor parallelism is innermost; replicas of tp chips lie tp apart; uneven groups are spread evenly."""
    four = target("32x:h100")
    assert (four.reach(4, apart=8).node, four.reach(4, apart=8).units) == (1, 4)
    assert (four.reach(8, apart=4).node, four.reach(8, apart=4).units) == (2, 4)
    assert (four.reach(12).node, four.reach(12).units) == (6, 2)
    cubes = target("128x:tpu-v5p")
    assert cubes.reach(128).units == 1, "optical switches extend the torus"


def test_two_units_exchange_one_payload_more_of_them_two() -> None:
    """Interior nodes of a double tree: NCCL tests beyond two nodes never exceed their ports, two nodes do."""
    up, out = Link("switch", 1e15, 0.0, True), Link("fat-tree", 1e9, 0.0, share=1.0)
    two, four, many = (
        float(algorithms("all-reduce", 1e12, Reach(8 * u, 8, up, out))["all_reduce_in_switch_tree"]) for u in (2, 4, 32)
    )
    assert four == pytest.approx(many, rel=1e-6)
    assert four == pytest.approx(2 * two, rel=0.01)


def test_networks_that_add_need_half_the_bytes() -> None:
    up, out = Link("switch", 450e9, 1e-6), Link("fat-tree", 25e9, 5e-6)
    plain, sharp = (
        float(group_time("all-reduce", 1e10, Reach(64, 8, up, replace(out, in_network_reduction=adds))))
        for adds in (False, True)
    )
    assert sharp == pytest.approx(plain / 2, rel=0.1)


POINTS = [
    # MSCCL++ docs/performance-ndmv4.md: two nodes of eight A100, 8 x 200 Gb/s, NCCL 2.17.1
    ("16x:a100", "all-reduce", 1024.0, 35.85e-6, 0.15),
    ("16x:a100", "all-reduce", 2.0**30, 1.875 * 2.0**30 / 183.82e9, 0.05),
    # NVIDIA/nccl issue 1221: eight H100 and 8 x 400 Gb/s RoCE per node, 4 to 8 GB, four nodes
    ("32x:h100", "all-reduce", 6e9, 1.9375 * 6e9 / 320e9, 0.12),
    # NVIDIA/nccl issue 1469: 16 such nodes, 64 bytes
    ("128x:h100", "all-reduce", 64.0, 62e-6, 0.15),
    # NVIDIA/nccl-tests issue 283: 248 nodes of eight H200, 512 MB
    ("1024x:h200", "all-reduce", 5.12e8, 2 * 5.12e8 / 350e9, 0.2),
]


@pytest.mark.parametrize(("on", "pattern", "size", "seconds", "bound"), POINTS)
def test_public_timings_between_nodes(on: str, pattern: str, size: float, seconds: float, bound: float) -> None:
    """Nothing between nodes is fitted but the share of a port, which a maintainer of NCCL states."""
    found = target(on)
    assert float(group_time(pattern, size, found.reach(found.count))) == pytest.approx(seconds, rel=bound)


def test_two_nodes_with_and_without_sums_in_the_switch() -> None:
    """NVIDIA/nccl issue 1221, two nodes of H100: 430 GB/s with NVLS, 330 without; issue 1244, H20: 46 us for 64 B."""
    reach = target("16x:h100").reach(16)
    for adds, bus, bound in ((True, 430e9, 0.25), (False, 330e9, 0.05)):
        one = replace(reach, up=replace(reach.up, in_network_reduction=adds))
        assert 1.875 * 6e9 / float(group_time("all-reduce", 6e9, one)) == pytest.approx(bus, rel=bound)
    small = algorithms("all-reduce", 64.0, target("16x:h20").reach(16))
    assert float(small["all_reduce_in_switch_tree"]) == pytest.approx(46.3e-6, rel=0.4)


@given(st.integers(2, 400), st.integers(0, 64), st.floats(0.05, 1.0))
def test_a_tapered_network_is_a_switch_below_its_leaf_only(n: int, below: int, beyond: float) -> None:
    lies = shape("fat-tree", n, below, 2, beyond)
    assert 0 < lies.direct <= 1
    assert lies.direct * (1 - 1e-12) <= lies.ring <= 1, "a ring crosses the core no more often than direct messages"
    if below >= n:
        assert lies.ring == lies.direct == 1.0
    if below == 0:
        assert lies.ring == pytest.approx(beyond)


def test_tiers_of_switches() -> None:
    """DGX SuperPOD, 64-port switches, nodes of eight: 256 nodes with leaves and spines, 512 with a core above."""
    assert [tiers(4, 32, 8, units) for units in (2, 4, 5, 256, 257, 8192, 8193)] == [1, 1, 2, 2, 3, 3, 4]
    assert [tiers(32, 32, 8, units) for units in (32, 33, 256, 512)] == [1, 2, 2, 3], "a rail is one hop for 32 nodes"
    assert tiers(0, 0, 8, 1000) == 1, "nobody says"
    assert tiers(1, 1, 8, 50) == 50, "useless switches end, too"


def test_direct_messages_on_rails_cross_the_unit_first() -> None:
    """PXN: what is for another rail goes over the links inside the unit."""
    up, out = Link("switch", 30e9, 1e-6), Link("rail", 50e9, 5e-6)
    rails = float(group_time("all-to-all", 1e9, Reach(16, 8, up, out)))
    tree = float(group_time("all-to-all", 1e9, Reach(16, 8, up, replace(out, topology="fat-tree"))))
    assert rails > 1.5 * tree
    wide = replace(up, bandwidth_bytes_per_s=900e9)
    assert float(group_time("all-to-all", 1e9, Reach(16, 8, wide, out))) < tree, "NVLink has room for it"


def test_a_dragonfly_waits_for_its_global_links() -> None:
    """64 chips, 7 local and 4 global links each: eight ninths of all traffic leaves the group of eight."""
    links = Link("dragonfly", 137.5e9, 0.0, share=1.0, library="static", beyond_bytes_per_s=50e9)
    away = 56 / 63
    local = (7 / 63 + 2 * away * 7 / 8) / 87.5e9
    assert float(collective_time("all-to-all", 1e9, 64, links)) == pytest.approx(1e9 * max(away / 50e9, local))
    assert float(collective_time("all-to-all", 1e9, 8, links)) == pytest.approx(1e9 / 87.5e9), "local links only"


def test_the_groq_rack_is_crossed_as_published() -> None:
    """1.6 us from end to end of a rack of 72 (Abts et al., ISCA 2022): local, global, local."""
    up = target("groqrack-9").link("up")
    assert shape("dragonfly", 64, 64, 2, up.beyond).depth * up.latency_s == pytest.approx(1.6e-6, rel=0.4)
    node = target("8x:groq-groqchip-1").reach(8)
    assert float(group_time("all-reduce", 512.0, node)) == pytest.approx(2.1e-6, rel=0.05)


def test_wrong_groups_are_refused() -> None:
    up, out = Link("switch", 1e11, 1e-6), Link("fat-tree", 1e10, 5e-6)
    for group, node in ((0, 1), (8, 0), (8, 9)):
        with pytest.raises(BadValue):
            Reach(group, node, up, out)
