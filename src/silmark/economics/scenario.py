"""A user's own terms: a TOML file of figures, and `key=value` words.

    [electricity]
    price = { value = 0.11, unit = "EUR/kWh", date = "2026-11" }

    [rates]
    EUR = { value = 1.16, unit = "USD/EUR", date = "2026-11-20" }

Every price needs a currency and the date on which it held; one that is not in dollars needs a dated rate. In words:
`electricity.price=0.12USD/kWh@2026-11` and `capital.utilisation=0.4..0.6..0.8`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from silmark.economics.terms import Terms
from silmark.errors import BadFile, BadValue, UnknownName
from silmark.figures import Figure
from silmark.figures.tables import read_figure, read_toml, walk
from silmark.figures.units import UNITS

_CURRENCY = re.compile(r"([A-Z]{3})((?:/[A-Za-z]+)*)")
_DATE = re.compile(r"[12][0-9]{3}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)?")
_NUMBER = r"[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"
_WORD = re.compile(rf"({_NUMBER})(?:\.\.({_NUMBER})\.\.({_NUMBER}))?\s*([A-Za-z0-9/]*)(?:@(.*))?")
_OWN: Mapping[str, str] = {
    "chip.price.purchase": "USD",
    "chip.price.cloud": "USD/h",
    "system.price.purchase": "USD",
    "system.price.cloud": "USD/h",
}
"""Keys that stand in for figures of a chip's or system's file, with their unit."""
_FAR = 1e6
_LARGEST = 1e30
_SHARES = ("capital.utilisation", ".translated", "work.portable", "cloud.reserved_share", "cloud.spot_share")
_ABOVE_0 = ("capital.years", "capital.utilisation", "electricity.price", "silicon.area", "silicon.defects")
_RATES = "rates"
_DATED = 'date = "2026-11", the day, month or year on which it held'


def read(path: Path, known: Terms) -> dict[str, Figure]:
    """The figures of a scenario file by key.

    Args:
        path: the file.
        known: figures by key; a scenario may set these and the prices of chip and system.

    Raises:
        BadFile: what is wrong, and what would be right.
    """
    table = read_toml(path)
    rates = _rates(path, table.pop(_RATES, {}))
    return {key: _figure(path, key, leaf, known, rates) for key, leaf in walk(table)}


def words(given: Iterable[str], known: Terms) -> dict[str, Figure]:
    """Figures from `key=value[unit][@date]` or `key=low..value..high[unit][@date]`; raises BadValue."""
    found = {}
    for word in given:
        key, _, text = word.partition("=")
        match = _WORD.fullmatch(text.strip()) if len(text) < 200 else None
        if match is None:
            raise BadValue(
                "set", word, "key=value, such as capital.utilisation=0.6 or electricity.price=0.12USD/kWh@2026-11"
            )
        first, middle, last, unit, date = match.groups()
        value, bounds = (middle, {"low": float(first), "high": float(last)}) if middle else (first, {})
        leaf: dict[str, Any] = {"value": float(value), **bounds}
        leaf |= ({"unit": unit} if unit else {}) | ({"date": date} if date is not None else {})
        found[key.strip()] = _figure("--set", key.strip(), leaf, known, {})
    return found


def _figure(path: Path | str, key: str, leaf: object, known: Terms, rates: Mapping[str, float]) -> Figure:
    """Checks one entry and fills in what a user need not write; raises BadFile."""
    unit = _usual_unit(key, known)
    if not isinstance(leaf, dict):
        raise BadFile(path, f'expected a table such as {{ value = 1, unit = "{unit}" }}', key)
    entry = {"source": "own scenario", "grade": "assumed", **leaf}
    entry = _in_dollars(path, key, entry, rates) if "USD" in unit else {"unit": unit, **entry}
    figure = read_figure(path, key, entry, UNITS[unit][0])
    _plausible(path, key, figure, known)
    return figure


def _plausible(path: Path | str, key: str, figure: Figure, known: Terms) -> None:
    """Refuses what would be divided by zero, and what lies beyond all reason; raises BadFile."""
    if key.endswith(_SHARES) and figure.high > 1:
        raise BadFile(path, "a share; must be at most 1", key)
    if key == "electricity.pue" and figure.low < 1:
        raise BadFile(path, "what a facility takes over what its machines take; must be at least 1", key)
    if (key in _ABOVE_0 or key in _OWN) and figure.low <= 0:
        raise BadFile(path, "must be above 0", key)
    usual = known[key].value if key in known and known[key].value else 1e4
    bounds = (figure.low or usual, figure.value or usual, figure.high or usual)
    if min(bounds) < usual / _FAR or max(bounds) > usual * _FAR:
        raise BadFile(path, f"beyond a factor of {_FAR:.0e} from what is usual; is the unit right?", key)


def _usual_unit(key: str, known: Terms) -> str:
    """The unit in which the package writes a key; raises UnknownName."""
    if key in _OWN:
        return _OWN[key]
    if key in known:
        return known[key].shown.partition(" ")[2] or "1"
    raise UnknownName("term", key, [*known, *_OWN], hint=f"known terms: {', '.join([*known, *_OWN])}")


def _in_dollars(path: Path | str, key: str, leaf: Mapping[str, Any], rates: Mapping[str, float]) -> dict[str, Any]:
    """A price with its currency turned into dollars; raises BadFile without currency, date or rate."""
    unit, date = leaf.get("unit"), leaf.get("date")
    match = _CURRENCY.fullmatch(unit) if isinstance(unit, str) else None
    if match is None:
        raise BadFile(path, 'a price without a currency; give its unit, such as "USD" or "USD/kWh"', key)
    if not isinstance(date, str) or not _DATE.fullmatch(date):
        raise BadFile(path, f"a price without a date; give {_DATED}", key)
    currency, per = match.groups()
    if currency == "USD":
        return dict(leaf)
    if currency not in rates:
        raise BadFile(
            path,
            f'a price in {currency}; give its rate: [rates] {currency} = {{ value, unit = "USD/{currency}", date }}',
            key,
        )
    numbers = {name: _number(leaf.get(name)) for name in ("value", "low", "high")}
    scaled = {name: number * rates[currency] for name, number in numbers.items() if number is not None}
    note = f"{leaf.get('value')} {unit} at {rates[currency]:g} USD/{currency}"
    return {**leaf, **scaled, "unit": f"USD{per}", "note": "; ".join(filter(None, (str(leaf.get("note", "")), note)))}


def _rates(path: Path, table: object) -> dict[str, float]:
    """Dollars per unit of other currencies; raises BadFile for one without unit or date."""
    if not isinstance(table, dict):
        raise BadFile(path, "expected a table of currencies", _RATES)
    found = {}
    for currency, leaf in table.items():
        key = f"{_RATES}.{currency}"
        right = f'{{ value = 1.1, unit = "USD/{currency[:3]}", date = "2026-11-20" }}'
        if not isinstance(leaf, dict) or leaf.get("unit") != f"USD/{currency}" or not _CURRENCY.fullmatch(currency):
            raise BadFile(path, f"expected {right}", key)
        if not isinstance(leaf.get("date"), str) or not _DATE.fullmatch(leaf["date"]):
            raise BadFile(path, f"a rate without a date; give {_DATED}", key)
        value = _number(leaf.get("value"))
        if value is None or not 0 < value < 1e9:
            raise BadFile(path, "value must be a number above 0", key)
        found[currency] = value
    return found


def _number(value: object) -> float | None:
    """A number that can be scaled; None for all else, which the reader of figures then refuses."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
        return None
    return float(value)
