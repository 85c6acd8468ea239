"""Units against hand-computed values, and that dimensions never mix."""

from __future__ import annotations

import math

import pytest

from silmark.figures import UNITS, Figure, Grade, Interval, dimension, to_si
from silmark.figures.figure import quadrature


@pytest.mark.parametrize(
    ("value", "unit", "expected", "si_unit"),
    [
        (80, "GiB", 85_899_345_920, "B"),
        (80, "GB", 80e9, "B"),
        (3.35, "TB/s", 3.35e12, "B/s"),
        (400, "Gbit/s", 50e9, "B/s"),
        (989.4, "TFLOP/s", 9.894e14, "FLOP/s"),
        (1.3, "us", 1.3e-6, "s"),
        (814, "mm2", 814e-6, "m2"),
        (4, "nm", 4e-9, "m"),
        (0.08, "USD/kWh", 0.08 / 3_600_000, "USD/J"),
        (2.6, "kW", 2600, "W"),
        (5, "fJ", 5e-15, "J"),
        (1830, "MHz", 1.83e9, "Hz"),
        (1, "year", 31_557_600, "s"),
        (3.9, "USD/h", 3.9, "USD/h"),
        (0.2, "1", 0.2, "1"),
    ],
)
def test_to_si(value: float, unit: str, expected: float, si_unit: str) -> None:
    assert to_si(value, unit) == pytest.approx(expected, rel=1e-12)
    assert dimension(unit) == si_unit


@pytest.mark.parametrize("unit", ["", "GBps", "gb", "TOPS", "Mib", "B/S", "kwh", "1 s", "µs"])
def test_units_that_are_not_in_the_table_are_refused(unit: str) -> None:
    with pytest.raises(KeyError):
        to_si(1.0, unit)
    with pytest.raises(KeyError):
        dimension(unit)


def test_bits_and_bytes_are_an_eighth_apart() -> None:
    for prefix in ("", "k", "M", "G", "T", "P"):
        assert to_si(8, f"{prefix}bit/s") == pytest.approx(to_si(1, f"{prefix}B/s"))


def test_every_si_unit_is_in_the_table_with_factor_one() -> None:
    for unit, (si_unit, factor) in UNITS.items():
        assert factor > 0, unit
        if si_unit != "USD/J":
            assert UNITS[si_unit] == (si_unit, 1.0), unit
    assert to_si(1, "USD/J") == 1.0


def test_grades_worsen_in_the_order_of_the_evidence() -> None:
    words = ["measured", "datasheet", "paper", "third-party", "derived", "claimed", "assumed"]
    grades = [Grade.parse(word) for word in words]
    assert grades == sorted(grades)
    assert len(set(grades)) == len(Grade)
    assert [str(grade) for grade in grades] == words
    assert max(Grade.MEASURED, Grade.CLAIMED, Grade.DATASHEET) is Grade.CLAIMED


@pytest.mark.parametrize("word", ["press", "vendor", "estimate", "", "good"])
def test_words_of_other_vocabularies_are_no_grades(word: str) -> None:
    with pytest.raises(KeyError):
        Grade.parse(word)


def test_interval_around_is_given_by_logarithms() -> None:
    interval = Interval.around(10.0, math.log(2), math.log(3))
    assert (interval.low, interval.mid, interval.high) == pytest.approx((5.0, 10.0, 30.0))
    assert Interval.around(7.0, 0, 0) == Interval(7.0, 7.0, 7.0)


def test_the_inverse_exchanges_the_bounds() -> None:
    inverse = Interval(2.0, 4.0, 5.0).inverse(100.0)
    assert (inverse.low, inverse.mid, inverse.high) == pytest.approx((20.0, 25.0, 50.0))
    again = inverse.inverse(100.0)
    assert (again.low, again.mid, again.high) == pytest.approx((2.0, 4.0, 5.0))


def test_scaling_keeps_the_ratios() -> None:
    scaled = Interval(2.0, 4.0, 5.0).scaled(3.0)
    assert scaled.as_dict() == {"low": 6.0, "mid": 12.0, "high": 15.0}


def test_quadrature() -> None:
    assert quadrature([3.0, 4.0]) == 5.0
    assert quadrature([]) == 0.0


def test_a_what_if_value_is_assumed_and_exact() -> None:
    figure = Figure("peak.bf16", 4.0, 2.0, 12.0, "FLOP/s", "somewhere", Grade.MEASURED)
    assert figure.log_low == pytest.approx(math.log(2))
    assert figure.log_high == pytest.approx(math.log(3))
    changed = figure.at(9.0)
    assert (changed.low, changed.value, changed.high) == (9.0, 9.0, 9.0)
    assert changed.grade is Grade.ASSUMED
    assert changed.log_low == changed.log_high == 0.0
