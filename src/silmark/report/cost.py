"""Costs on the screen: parts, what a token costs in dollars, joules and carbon, prices with their dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from silmark.figures.numbers import shown, si, three
from silmark.report.catalogue import figure_cells
from silmark.report.table import grid

if TYPE_CHECKING:
    from rich.table import Table

    from silmark.economics.breakeven import BreakEven
    from silmark.economics.cost import Cost
    from silmark.figures import Figure
    from silmark.report.priced import Priced

_PAID = {
    "own": "bought",
    "rent": "rented on demand",
    "reserved": "rented, reserved for a year",
    "spot": "rented on the spot market",
    "unpriced": "no public price: without machines",
}


def blocks(answer: Priced, bars: bool) -> Iterator[Table | str]:
    """What to print, in order.

    Args:
        answer: the costs.
        bars: also what each input moves.
    """
    asked = answer.question
    yield f"{asked['model']} on {asked['on']}, {asked['workload']}: {asked['plan']}"
    if answer.reason:
        yield f"{answer.status}: {answer.reason}"
    if answer.cost is None:
        return
    each = "Mtok" if answer.cost.split else "Mitem"
    yield f"{_PAID[answer.cost.basis]}; 80 % intervals\n"
    yield _parts(answer.cost, each)
    yield ""
    yield grid(["", ""], _facts(answer.cost, each))
    if answer.break_even is not None:
        yield "\n" + sentence(answer.break_even, str(asked["on"]), str(asked["against"]))
        if answer.break_even.misses:
            yield f"{asked['against']} {answer.break_even.misses}; it is priced where it comes nearest"
        if answer.claims:
            yield f"its speed rests on {', '.join(answer.claims)}, which this cannot confirm"
    if bars:
        yield ""
        yield _bars(answer, each)
    yield ""
    yield figure_table(answer.cost.figures)


def _parts(found: Cost, each: str) -> Table:
    ledger, hourly = found.per_million, found.bill.ledger
    total = float(ledger.total())
    rows = []
    for (name, amount), per_s in zip(ledger.amounts().items(), hourly.amounts().values(), strict=True):
        share = f"{100 * float(amount) / total:.0f} %"
        rows.append([name, three(3600.0 * float(per_s)), shown(ledger.only(name).interval()), share])
    last = "total" if found.basis != "unpriced" else "without machines"
    rows.append([last, three(3600.0 * float(hourly.total())), shown(found.usd_per_million), "100 %"])
    return grid(["part", "$/h", f"$/{each}", "share"], rows, numeric=(1, 2, 3))


def _facts(found: Cost, each: str) -> list[list[str]]:
    answer, split, watts = found.estimate, found.split, found.watts
    noun = "token" if split else "item"
    rows = []
    if found.unit:
        shares = ", ".join(f"{name} {three(usd)}" for name, usd in found.unit.items())
        rows.append(["price of a unit", f"${three(sum(found.unit.values()))}: {shares}"])
    if split:
        per_input, per_output = split.of(found.usd_per_million)
        rows.append([f"$/{each} of input", f"{shown(per_input)}  ({100 * split.prefill:.0f} % of the time is prefill)"])
        rows.append([f"$/{each} of output", shown(per_output)])
    if found.rent_below:
        low, mid, high = (f"{min(999.0, 100 * u):.0f} %" for u in found.rent_below.as_dict().values())
        rows.append(["renting is cheaper below", f"{mid} utilisation ({low} to {high})"])
    rows.append([f"{noun}s per $", shown(found.tokens_per_usd)])
    prompts = f"; {100 * found.input_joules:.0f} % for prompts" if found.input_joules is not None else ""
    meter = shown(found.facility_joules, "J")
    rows.append([f"J/{noun}", f"{shown(answer.joules, 'J')}; at the meter {meter}{prompts}"])
    rows.append([f"{noun}s per J at the meter", shown(found.facility_joules.inverse())])
    shares = ", ".join(f"{name} {100 * part / watts.total:.0f} %" for name, part in watts.as_dict().items() if part)
    rows.append(["power", f"{si(watts.total, 'W')}: {shares}"])
    carbon = {name: float(amount) for name, amount in found.carbon.amounts().items()}
    made = f"embodied {100 * carbon['embodied'] / (sum(carbon.values()) or 1.0):.0f} %"
    rows.append([f"kgCO2e/{each}", f"{shown(found.carbon.interval())}; {made}"])
    rows.append(["grade", str(found.grade)])
    return rows


def _bars(answer: Priced, each: str) -> Table:
    assert answer.cost is not None
    mid = answer.cost.usd_per_million.mid
    rows = []
    for bar in answer.tornado:
        figure = answer.cost.figures.get(bar.key)
        moved = (figure.shown_bounds if figure else "") or f"{three(bar.value.low)} to {three(bar.value.high)}"
        change = " to ".join(f"{round(100 * (end / mid - 1)):+d} %" for end in (bar.at_low, bar.at_high))
        rows.append([bar.key, moved, f"{three(bar.at_low)} to {three(bar.at_high)}", change])
    return grid(["input", "moved from low to high", f"$/{each}", "change"], rows, numeric=(2, 3))


def figure_table(figures: Mapping[str, Figure]) -> Table:
    """Inputs with value, interval, grade, source and date."""
    cells = [[*figure_cells(key, figure)[:5], figure.date] for key, figure in figures.items()]
    return grid(["input", "value", "interval", "grade", "source", "date"], cells)


def sentence(even: BreakEven, on: str, against: str) -> str:
    """What the break-even says."""
    share = f"{100 * even.ratio:.3g} % of what {against} costs per token"
    free = f"with free chips it is {100 * even.free_ratio:.3g} %"
    if even.price.mid <= 0:
        some = f"some price does in {100 * even.reached:.0f} % of the draws"
        return f"no price of a chip brings {on} to {share}: {free} ({some})"
    bounds = f"{three(even.price.low)} to {three(even.price.high)}"
    return f"{on} costs less than {share} if a chip costs less than ${three(even.price.mid)} ({bounds}); {free}"
