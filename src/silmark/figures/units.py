"""Units that data files may use; everything inside Silmark is SI (bytes, seconds, FLOP/s, W, J, USD)."""

from __future__ import annotations

_PREFIXES = {"a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}
_LARGE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_YEAR_S = 365.25 * 86400.0
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def _table() -> dict[str, tuple[str, float]]:
    units: dict[str, tuple[str, float]] = {"1": ("1", 1.0), "1/s": ("1/s", 1.0), "USD": ("USD", 1.0)}
    units["USD/h"] = ("USD/h", 1.0)
    units["USD/kWh"] = ("USD/J", 1 / 3.6e6)
    units["USD/J"] = ("USD/J", 1.0)
    units["year"] = ("s", _YEAR_S)
    units["month"] = ("s", _YEAR_S / 12)
    units["1/year"] = ("1/s", 1 / _YEAR_S)
    units["USD/s"], units["USD/B"], units["1/m2"] = ("USD/s", 1.0), ("USD/B", 1.0), ("1/m2", 1.0)
    units["kgCO2e/J"] = ("kgCO2e/J", 1.0)
    units["USD/year"] = ("USD/s", 1 / _YEAR_S)
    units["USD/kW/month"] = ("USD/J", 12e-3 / _YEAR_S)
    units["USD/W"] = ("USD/W", 1.0)
    units["USD/GB"] = ("USD/B", 1e-9)
    units["kgCO2e"] = ("kgCO2e", 1.0)
    units["gCO2e/kWh"] = ("kgCO2e/J", 1e-3 / 3.6e6)
    units["1/cm2"] = ("1/m2", 1e4)
    units["USD/m"] = ("USD/m", 1.0)
    units["cm"] = ("m", 1e-2)
    units["in"] = ("m", 0.0254)
    units["dB"] = ("dB", 1.0)
    units["dB/m"] = ("dB/m", 1.0)
    units["dB/in"] = ("dB/m", 1 / 0.0254)
    units["year"] = ("s", 365.25 * 86400.0)
    for prefix, factor in (_LARGE | _BINARY).items():
        units[f"{prefix}B"] = ("B", factor)
        units[f"{prefix}B/s"] = ("B/s", factor)
    for prefix, factor in _LARGE.items():
        units[f"{prefix}bit/s"] = ("B/s", factor / 8)
        units[f"{prefix}FLOP/s"] = ("FLOP/s", factor)
        units[f"{prefix}Hz"] = ("Hz", factor)
        units[f"{prefix}W"] = ("W", factor)
    for prefix, factor in _PREFIXES.items():
        units[f"{prefix}s"] = ("s", factor)
        units[f"{prefix}s/m"] = ("s/m", factor)
        units[f"{prefix}J"] = ("J", factor)
        units[f"{prefix}J/bit"] = ("J/bit", factor)
        units[f"{prefix}m"] = ("m", factor)
        units[f"{prefix}m2"] = ("m2", factor**2)
    units["mW"] = ("W", 1e-3)
    return units


UNITS: dict[str, tuple[str, float]] = _table()
"""Unit -> (SI unit, factor to it)."""


def dimension(unit: str) -> str:
    """Returns the SI unit of the same dimension; raises KeyError for an unknown unit."""
    return UNITS[unit][0]


def to_si(value: float, unit: str) -> float:
    """Converts a value to its SI unit; raises KeyError for an unknown unit."""
    return value * UNITS[unit][1]
