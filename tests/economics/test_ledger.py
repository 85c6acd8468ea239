"""Laws of ledgers: parts add up, inputs move totals the right way, intervals hold what draws show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.economics.ledger import Ledger, Line
from silmark.economics.sample import DRAWS, around, draw
from silmark.economics.tornado import tornado
from silmark.figures import Interval
from silmark.figures.figure import quadrature

NAMES = ("price", "years", "power", "rate")
middles = st.floats(0.1, 100)
widths = st.floats(0.0, 0.7)


@st.composite
def intervals(draw_: st.DrawFn) -> Interval:
    return Interval.around(draw_(middles), draw_(widths), draw_(widths))


@st.composite
def ledgers(draw_: st.DrawFn) -> Ledger:
    lines = draw_(
        st.lists(
            st.builds(
                Line,
                st.sampled_from(["machines", "energy", "place"]),
                st.floats(0.1, 10),
                st.dictionaries(st.sampled_from(NAMES), st.sampled_from([1, -1]), min_size=1),
            ),
            min_size=1,
            max_size=5,
        )
    )
    used = {key for line in lines for key in line.inputs}
    return Ledger(tuple(lines), {key: draw_(intervals()) for key in sorted(used)})


laws = settings(max_examples=60)


@laws
@given(ledger=ledgers())
def test_parts_add_up_to_the_total(ledger: Ledger) -> None:
    assert sum(map(float, ledger.amounts().values())) == pytest.approx(float(ledger.total()), rel=1e-12)
    names = {line.name for line in ledger.lines}
    assert sum(float(ledger.only(name).total()) for name in names) == pytest.approx(float(ledger.total()), rel=1e-12)


@laws
@given(ledger=ledgers())
def test_intervals_contain_the_middle(ledger: Ledger) -> None:
    found = ledger.interval()
    assert found.low <= found.mid <= found.high
    assert found.mid == pytest.approx(float(ledger.total()))


@laws
@given(ledger=ledgers(), factor=st.floats(1.1, 10))
def test_a_line_that_grows_with_an_input_makes_the_total_grow(ledger: Ledger, factor: float) -> None:
    for key, interval in ledger.inputs.items():
        powers = {line.inputs[key] for line in ledger.lines if key in line.inputs}
        moved = float(ledger.total({key: interval.mid * factor}))
        if powers == {1}:
            assert moved > float(ledger.total())
        if powers == {-1}:
            assert moved < float(ledger.total())


@laws
@given(ledger=ledgers())
def test_a_bar_of_a_certain_input_is_nothing_and_bars_are_sorted(ledger: Ledger) -> None:
    key = next(iter(ledger.inputs))
    certain = Interval(*(ledger.inputs[key].mid,) * 3)
    bars = tornado(Ledger(ledger.lines, {**ledger.inputs, key: certain}))
    assert next(bar.width for bar in bars if bar.key == key) == 0
    assert [bar.width for bar in bars] == sorted((bar.width for bar in bars), reverse=True)


@laws
@given(ledger=ledgers(), rate=intervals())
def test_a_rate_divides_the_total(ledger: Ledger, rate: Interval) -> None:
    per_token = ledger.over("tokens", rate, 1e6)
    assert float(per_token.total()) == pytest.approx(1e6 * float(ledger.total()) / rate.mid)
    assert per_token.interval().high >= per_token.interval().mid


def test_arrays_of_an_input_give_arrays_of_totals() -> None:
    ledger = Ledger((Line("a", 2.0, {"x": 1}), Line("b", 3.0, {})), {"x": Interval(1, 2, 4)})
    assert ledger.total({"x": np.array([1.0, 2.0, 3.0])}).tolist() == [5.0, 7.0, 9.0]


def test_bars_quadrature_and_draws_tell_the_same_width() -> None:
    """Three ways to one interval: weights of logarithms, exact bars in quadrature, and draws of all inputs."""
    inputs = {
        "price": Interval(24e4, 30e4, 40e4),
        "years": Interval(3, 4, 6),
        "power": Interval(5e3, 6e3, 8e3),
        "rate": Interval(2700, 3800, 5000),
    }
    lines = (
        Line("machines", 1.0, {"price": 1, "years": -1, "rate": -1}),
        Line("energy", 2.0, {"power": 1, "rate": -1}),
    )
    ledger = Ledger(lines, inputs)
    quick, mid = ledger.interval(), float(ledger.total())
    ends = [sorted((bar.at_low, bar.at_high)) for bar in tornado(ledger)]
    widths = (quadrature(math.log(mid / low) for low, _ in ends), quadrature(math.log(high / mid) for _, high in ends))
    for found in (Interval.around(mid, *widths), around(mid, ledger.total(draw(inputs)))):
        assert math.log(found.high / found.mid) == pytest.approx(math.log(quick.high / quick.mid), rel=0.15)
        assert math.log(found.mid / found.low) == pytest.approx(math.log(quick.mid / quick.low), rel=0.15)


def test_draws_keep_a_tenth_beyond_each_bound() -> None:
    found = draw({"a": Interval(1, 2, 8), "b": Interval(5, 5, 5)})
    assert np.mean(found["a"] < 1) == pytest.approx(0.1, abs=2 / DRAWS)
    assert np.mean(found["a"] > 8) == pytest.approx(0.1, abs=2 / DRAWS)
    assert np.median(found["a"]) == pytest.approx(2, rel=1e-3)
    assert set(found["b"]) == {5.0}
    assert draw({"a": Interval(1, 2, 8)})["a"].tolist() == draw({"a": Interval(1, 2, 8)})["a"].tolist()
