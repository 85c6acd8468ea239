"""Numbers for people: three digits, an SI prefix, and the interval that they stand in."""

from __future__ import annotations

from silmark.figures.figure import Interval

_PREFIXES = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "u"),
    (1e-9, "n"),
    (1e-12, "p"),
    (1e-15, "f"),
    (1e-18, "a"),
)


def si(value: float, unit: str) -> str:
    """`si(0.0253, "s")` -> "25.3 ms"."""
    if unit == "1":
        return three(value)
    if unit == "m2":  # a prefix would be squared with the metre; chips are measured in square millimetres
        return f"{three(value * 1e6)} mm2"
    if value == 0:
        return f"0 {unit}"
    scale, prefix = next(((s, p) for s, p in _PREFIXES if abs(value) >= 0.9995 * s), _PREFIXES[-1])
    return f"{three(value / scale)} {prefix}{unit}".rstrip()


def three(value: float) -> str:
    """Three significant digits without an exponent where it reads well."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude >= 1e7 or magnitude < 1e-3:
        return f"{value:.2e}"
    if magnitude >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def spread(interval: Interval) -> str:
    """The bounds relative to the middle: "-30 +45%", or as factors "/12 x40" where they are far."""
    below, above = interval.mid / interval.low, interval.high / interval.mid
    if max(below, above) > 3:
        return f"/{below:.2g} x{above:.2g}"
    return f"-{100 * (1 - 1 / below):.0f} +{100 * (above - 1):.0f}%"


def shown(interval: Interval | None, unit: str = "") -> str:
    """Middle and spread in one cell; a dash where there is no number."""
    if interval is None:
        return "-"
    middle = si(interval.mid, unit) if unit in ("s", "J", "W") else three(interval.mid)
    return f"{middle} {spread(interval)}"
