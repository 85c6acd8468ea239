"""What leaving a software stack costs, and when cheaper tokens pay for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from silmark import systems
from silmark.api.cost import Options, common, other_system, own_terms
from silmark.api.question import Count, whole
from silmark.economics import porting
from silmark.economics.breakeven import renamed
from silmark.economics.cost import Cost
from silmark.errors import BadValue
from silmark.report.moves import Ported


def port(
    source: str | None = None,
    target: str | None = None,
    *,
    model: str | None = None,
    on: str | None = None,
    instead_of: str | None = None,
    fleet: Count | None = None,
    scenario: str | Path | None = None,
    given: Sequence[str] = (),
    region: str = "",
    **options: Unpack[Options],
) -> Ported:
    """What moving from one software stack to another costs.

    Args:
        source, target: stacks such as cuda and rocm; those of `instead_of` and `on` where not given.
        model: what is served, to say when the port pays.
        on, instead_of: the new system and the old one, as in `estimate`.
        fleet: chips that share the port.
        scenario, given, region: terms as in `cost`; keys of the work are `work.*`, `engineer.*` and `STACK.*`.
        **options: workload as in `estimate`.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    several = [name for name, value in (("model", model), ("on", on), ("instead_of", instead_of)) if value is None]
    if 0 < len(several) < 3:
        raise BadValue(several[0], None, "model, on and instead_of together, or none of them")
    old, new = (_stack(name, on_) for name, on_ in ((source, instead_of), (target, on)))
    place = own_terms(scenario, given, region, {**porting.work(), **_own(old), **_own(new)})
    moved = porting.port(old, new, place)
    months = moved.usd.scaled(1.0 / (place["engineer.cost"].value * _MONTH_S))
    chips = None if fleet is None else whole("fleet", fleet)
    asked: dict[str, Any] = {"from": old.name, "to": new.name, "fleet": chips, "region": region or "default"}
    if model is None or on is None or instead_of is None:
        return Ported(asked, moved, months)
    shared = common(place)
    before = other_system("instead_of", model, instead_of, shared, options)
    after = other_system("on", model, on, shared, options)
    asked |= {"model": model, "on": _name(after), "instead_of": _name(before)}
    paid = porting.payback(moved, renamed(before.per_million, shared), after.per_million)
    return Ported(asked, moved, months, before, after, paid)


_MONTH_S = 365.25 * 86_400.0 / 12


def _stack(name: str | None, on: str | None) -> porting.Stack:
    """A stack by name, or that of a system's chip; raises BadValue where neither tells."""
    if name is not None:
        return porting.named(name)
    if on is None:
        raise BadValue("from and to", None, f"two stacks, such as cuda and rocm; known: {', '.join(porting.stacks())}")
    chip = systems.target(on).chip
    found = porting.of(chip)
    if found is None:
        raise BadValue("stack", chip.stack, f"one of {', '.join(porting.stacks())}, given with --from and --to")
    return found


def _name(found: Cost) -> str:
    return found.estimate.step_model.target.name


def _own(stack: porting.Stack) -> dict[str, Any]:
    return {f"{stack.name}.{key}": figure for key, figure in stack.figures.items()}
