"""Laws that hold for every GPU of the catalogue and for chips made up at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.chips import catalog
from silmark.chips.mechanisms import Placement
from silmark.chips.mechanisms.gpu import Gpu
from silmark.chips.spec import Chip
from silmark.formats import Precision
from silmark.graph import Attention, Conv, Elementwise, Experts, Gemm, Gibbs, Op, Scan, count

CHIPS = tuple(name for name in catalog.names() if catalog.load(name).family == "gpu")
TOLERANCE = 1 + 1e-9
EXAMPLES = settings(max_examples=60)
scale = st.floats(0.25, 8.0)


def mechanism(chip: Chip) -> Gpu:
    wide = "bf16" if "peak.bf16" in chip.figures else "fp16"
    return Gpu(chip, Precision.of(wide), Placement())


@st.composite
def chips(draw: st.DrawFn) -> Chip:
    """A catalogue chip with its main figures moved."""
    chip = catalog.load(draw(st.sampled_from(CHIPS)))
    for key in ("memory.main.bandwidth", "compute.units", "compute.clock", "compute.launch"):
        chip = chip.with_figure(key, chip.si(key) * draw(scale))
    figures = {k: f for k, f in chip.figures.items() if draw(st.booleans()) or not k.startswith("achievable")}
    return replace(chip, figures=figures)


sizes = st.integers(1, 20000)


@st.composite
def operators(draw: st.DrawFn) -> Op:
    tokens = np.array(draw(st.lists(st.integers(1, 30000), min_size=1, max_size=5)), dtype=np.float64)
    kind = draw(st.sampled_from(("gemm", "decode", "prefill", "experts", "conv", "scan", "elementwise", "gibbs")))
    kv_heads, group = draw(st.sampled_from((1, 2, 8))), draw(st.integers(1, 16))
    width = draw(st.sampled_from((64, 128, 256)))
    match kind:
        case "gemm":
            return Gemm(name=kind, m=tokens, n=draw(sizes), k=draw(sizes), groups=draw(st.integers(1, 4)))
        case "decode" | "prefill":
            new = np.ones(()) if kind == "decode" else tokens
            window = draw(st.sampled_from((None, 128, 4096)))
            seqs = tokens if kind == "decode" else np.array(float(draw(st.integers(1, 8))))
            return Attention(
                name=kind, seqs=seqs, new=new, past=np.array(float(draw(st.integers(0, 200_000)))),
                heads=kv_heads * group, kv_heads=kv_heads, qk_dim=width, v_dim=width, kv_width=2 * kv_heads * width,
                window=window, causal=window is not None or draw(st.booleans()),
            )  # fmt: skip
        case "experts":
            experts = draw(st.integers(2, 256))
            return Experts(
                name=kind, m=tokens, experts=experts, top_k=draw(st.floats(0.1, 1.0)) * min(8, experts),
                hidden=draw(st.integers(64, 8192)), inner=draw(st.integers(64, 8192)), gated=draw(st.booleans()),
            )  # fmt: skip
        case "conv":
            return Conv(name=kind, m=tokens, n=64, k=128, kernel=draw(st.sampled_from((1, 3))), out_size=14, in_size=14)
        case "scan":
            chunk = draw(st.sampled_from((1, 256)))
            return Scan(name=kind, m=tokens, seqs=np.ones(()), heads=64, head_dim=64, state=128, chunk=chunk)
        case "elementwise":
            return Elementwise(name=kind, m=tokens, read=draw(sizes), write=draw(sizes), flops=draw(sizes))
        case _:
            degree = draw(st.integers(1, 20))
            return Gibbs(name=kind, m=tokens, nodes=1000, degree=degree, colours=2, sweeps=5, reads=1, writes=1)


@pytest.mark.parametrize("name", CHIPS)
def test_every_gpu_of_the_catalogue_builds(name: str) -> None:
    op = Gemm(name="g", m=np.array([1.0, 4096.0]), n=4096, k=4096)
    assert np.all(mechanism(catalog.load(name)).cost(op).time_s > 0)


@EXAMPLES
@given(chips(), operators())
def test_parts_are_positive_and_sum_to_the_time(chip: Chip, op: Op) -> None:
    cost = mechanism(chip).cost(op)
    assert all(np.all(part >= 0) for part in cost.parts.values())
    np.testing.assert_allclose(sum(cost.parts.values()), cost.time_s)
    assert np.all(cost.energy_j >= 0)
    assert cost.bound_by() in cost.parts


@EXAMPLES
@given(chips(), operators())
def test_no_operator_beats_its_lower_bounds(chip: Chip, op: Op) -> None:
    mech = mechanism(chip)
    time, work = mech.cost(op).time_s, count(op)
    peak = chip.figure(f"peak.{mech.precision.compute}").high
    bandwidth = chip.figure("memory.main.bandwidth").high
    assert np.all(time * TOLERANCE >= (work.matrix_flops + work.attention_flops) / peak)
    assert np.all(time * TOLERANCE >= (work.weights * mech.precision.weight_bytes) / bandwidth)
    if op.kind == "attention":
        assert np.all(time * TOLERANCE >= work.kv * mech.precision.kv_bytes / bandwidth)


@EXAMPLES
@given(
    chips(), operators(), st.floats(1.0, 4.0),
    st.sampled_from(
        ("peak", "memory.main.bandwidth", "compute.clock", "memory.cache.bandwidth", "achievable", "peak.vector")
    ),
)  # fmt: skip
def test_a_better_chip_is_never_slower(chip: Chip, op: Op, factor: float, key: str) -> None:
    base = mechanism(chip)
    key = f"{key}.{base.precision.compute}" if key in ("peak", "achievable") else key
    if key not in chip.figures:
        return
    better = mechanism(chip.with_figure(key, chip.si(key) * factor))
    assert np.all(better.cost(op).time_s <= base.cost(op).time_s * TOLERANCE)


@EXAMPLES
@given(chips(), st.integers(1, 4000), sizes, sizes, st.integers(1, 4000))
def test_more_rows_are_never_faster(chip: Chip, m: int, n: int, k: int, more: int) -> None:
    rows = np.array([m, m + more], dtype=np.float64)
    mech = mechanism(chip)
    times = mech.cost(Gemm(name="g", m=rows, n=n, k=k)).time_s
    assert times[1] * TOLERANCE >= times[0]
    op = Experts(name="e", m=rows, experts=64, top_k=6, hidden=n, inner=k)
    times = mech.cost(op).time_s
    assert times[1] * TOLERANCE >= times[0]


@EXAMPLES
@given(chips(), st.integers(1, 500), st.integers(1, 3000), st.integers(0, 50_000), st.sampled_from((None, 1024)))
def test_more_attention_is_never_faster(chip: Chip, seqs: int, new: int, past: int, window: int | None) -> None:
    def times(s: list[float], n: list[float], p: list[float]) -> np.ndarray:
        op = Attention(
            name="a", seqs=np.array(s), new=np.array(n), past=np.array(p), heads=32, kv_heads=8, qk_dim=128,
            v_dim=128, kv_width=2048, window=window,
        )  # fmt: skip
        return np.asarray(mechanism(chip).cost(op).time_s)

    for grown in ((2 * seqs, new, past), (seqs, new + 128, past), (seqs, new, past + 128)):
        both = times(*([float(a), float(b)] for a, b in zip((seqs, new, past), grown, strict=True)))
        assert both[1] * TOLERANCE >= both[0]


@EXAMPLES
@given(chips(), operators())
def test_arrays_equal_elements(chip: Chip, op: Op) -> None:
    mech = mechanism(chip)
    whole = mech.cost(op)
    field = "new" if op.name == "prefill" else "seqs" if op.name == "decode" else "m"
    for i, value in enumerate(getattr(op, field)):
        one = mech.cost(replace(op, **{field: np.array([value])}))  # type: ignore[arg-type]
        np.testing.assert_allclose(one.time_s[0], whole.time_s[i], rtol=1e-9)
        np.testing.assert_allclose(one.energy_j[0], whole.energy_j[i], rtol=1e-9)
