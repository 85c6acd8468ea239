"""Ports and own chips on the screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from silmark.figures import Interval
from silmark.figures.numbers import shown, three
from silmark.report.cost import figure_table
from silmark.report.table import grid

if TYPE_CHECKING:
    from rich.table import Table

    from silmark.report.moves import Built, Ported


def port_blocks(answer: Ported) -> Iterator[Table | str]:
    """What a port costs and when it pays."""
    port = answer.port
    yield f"from {port.source.name} to {port.target.name}: {port.target.facts}; 80 % intervals\n"
    if not port.ledger.lines:
        yield "nothing to port"
        return
    rows = [[name, money(port.ledger.only(name).interval())] for name in port.ledger.amounts()]
    rows.append(["total", money(port.usd)])
    rows.append(["engineer-months", shown(answer.months)])
    if answer.fleet:
        rows.append([f"per chip of {answer.fleet:,}", money(port.usd.scaled(1.0 / answer.fleet))])
    yield grid(["part", "$"], rows, numeric=(1,))
    if answer.payback is not None:
        yield ""
        yield from _payback(answer)
    yield ""
    yield figure_table(port.figures)


def _payback(answer: Ported) -> Iterator[Table | str]:
    assert answer.old is not None
    assert answer.new is not None
    assert answer.payback is not None
    asked, paid = answer.question, answer.payback
    yield grid(
        [f"{asked['model']}", "$/Mtok", "paid as"],
        [
            [asked["instead_of"], shown(answer.old.usd_per_million), answer.old.basis],
            [asked["on"], shown(answer.new.usd_per_million), answer.new.basis],
        ],
        numeric=(1,),
    )
    yield ""
    if paid.tokens is None:
        yield f"saves nothing: no volume pays for the port (it saves in {100 * paid.saves:.0f} % of the draws)"
        return
    days = f", {three(answer.days.mid)} days of {answer.fleet:,} chips" if answer.days else ""
    yield (
        f"the port is paid after {large(paid.tokens.mid)} tokens ({large(paid.tokens.low)} to "
        f"{large(paid.tokens.high)}){days}; it saves in {100 * paid.saves:.0f} % of the draws"
    )


def build_blocks(answer: Built) -> Iterator[Table | str]:
    """What an own chip costs and from which volume it pays."""
    asked, found = answer.question, answer.found
    yield f"{asked['model']} on {asked['on']} of one's own, against {asked['against']} bought; 80 % intervals"
    if answer.assumed:
        yield f"not in the chip's file, assumed: {', '.join(answer.assumed)}"
    yield ""
    rows = [
        ["once", money(found.once), _listed(answer.project)],
        ["each chip", money(found.unit), _listed(answer.making)],
    ]
    yield grid(["", "$", "of which"], rows, numeric=(1,))
    yield ""
    spread = f"spent once, over {asked['volume']:,} chips"
    yield grid(
        ["", "$/Mtok"],
        [["own chips, running", shown(found.own)], [spread, shown(found.spread)], ["bought", shown(found.bought)]],
        numeric=(1,),
    )
    yield ""
    yield _verdict(answer)
    yield ""
    yield figure_table(answer.figures)


def _verdict(answer: Built) -> str:
    found, volume = answer.found, answer.question["volume"]
    if found.volume is None:
        return f"no volume pays: a token costs more with own chips (it saves in {100 * found.saves:.0f} % of the draws)"
    low, mid, high = (large(value) for value in (found.volume.low, found.volume.mid, found.volume.high))
    return (
        f"building pays from {mid} chips ({low} to {high}); at {volume:,} chips it pays in "
        f"{100 * found.pays:.0f} % of the draws, at no volume in {100 * (1 - found.saves):.0f} %"
    )


def money(interval: Interval) -> str:
    """Dollars with thousands written out, and their spread."""
    return f"{large(interval.mid)} ({large(interval.low)} to {large(interval.high)})"


def large(value: float) -> str:
    """A large number in words that people use: 2.1 k, 3 M, 4.5 G."""
    if not math.isfinite(value):
        return "never"
    for scale, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= scale:
            return f"{three(value / (1e3 if prefix == 'k' else scale))} {prefix}"
    return three(value)


def _listed(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {large(amount)}" for name, amount in parts.items() if amount)
