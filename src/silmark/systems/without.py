"""A system without some of its parts: links fall back to what still reaches, or are lost; memory goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from silmark.errors import BadValue
from silmark.fabric import physical
from silmark.figures import Figure, Grade, Interval
from silmark.systems import catalog
from silmark.systems.spec import System
from silmark.systems.wired import electronics_usd, electronics_w, problems
from silmark.systems.wiring import Links, Wiring

_FALLBACKS = ("dac", "aoc")
"""What an active cable is replaced by, the first that still carries the full rate."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A system with some parts taken away.

    Attributes:
        system: what is left.
        changes: what became of links, switches and memory, one sentence each.
        lost: why it cannot work any more; empty if it can.
    """

    system: System
    changes: tuple[str, ...]
    lost: str


def without(name: str, words: Sequence[str]) -> tuple[System, Variant]:
    """A system as its file says, and the same without parts.

    Args:
        name: id of a packaged system or a `.toml` path.
        words: ids of parts, or families (`aries`, `leo`, `taurus`, `scorpio`).

    Raises:
        BadFile: the system is not whole even with its parts.
        BadValue: it is not wired, or has no such part.
    """
    path, table = catalog.source(name)
    full = catalog.load(name)
    if full.wiring is None:
        raise BadValue("without", ", ".join(words), f"nothing: {full.id} names no links ([[link]]) and no parts")
    fitted = full.wiring.parts()
    for word in words:
        if not any(part.answers_to(word) for part in fitted.values()):
            known = sorted({*fitted, *(part.family for part in fitted.values())})
            raise BadValue("without", word, f"one of {', '.join(known)}" if known else "nothing: it has no parts")
    gone = {part.id for part in fitted.values() if any(part.answers_to(word) for word in words)}
    left, changes = _reduced(table, gone, full.wiring)
    if not left["link"]:
        return full, Variant(full, tuple(changes), "no link is left")
    bare = catalog.parse(path, left)
    assert bare.wiring is not None
    changes += _slower(full.wiring, bare.wiring)
    found = [*_cut_off(full.wiring, left), *problems(bare.wiring)]
    return full, Variant(_billed(full, bare), tuple(changes), found[0] if found else "")


def _reduced(table: dict[str, Any], gone: set[str], wiring: Wiring) -> tuple[dict[str, Any], list[str]]:
    """The file's table without parts, and what that took away."""
    left, changes = deepcopy(table), list[str]()
    removed = set()
    for key in ("switch", "memory"):
        for one in left.get(key, []):
            if "part" in one and physical.part(one["part"]).id in gone:
                removed.add(one["name"])
                changes.append(f"{key} {one['name']} is gone")
        left[key] = [one for one in left.get(key, []) if one["name"] not in removed]
    kept = []
    for one, links in zip(left["link"], wiring.links, strict=True):
        ends = removed & set(one["between"])
        if ends:
            changes.append(f"link {one['name']} ends nowhere without {min(ends)}")
            continue
        kept.append(one)
        if not any(part.id in gone for part in links.parts()):
            continue
        one["parts"] = [name for name in one["parts"] if physical.part(name).id not in gone]
        if links.asked.cable is not None and links.asked.cable.id in gone:
            one["medium"] = _fallback(links)
            changes.append(f"link {one['name']} runs over {one['medium']} instead of {links.asked.cable.id}")
    left["link"] = kept
    return left, changes


def _fallback(links: Links) -> str:
    """The cable that takes the place of an active one: passive copper where it reaches at full rate, else optics."""
    bare = replace(links.asked, cable=None)
    for name in _FALLBACKS:
        found = physical.train(replace(bare, medium=physical.medium(name)))
        if not found.lost and found.wire.technology.id == bare.technology.id:
            return name
    return _FALLBACKS[0]


def _slower(full: Wiring, bare: Wiring) -> list[str]:
    """Links that train down, as sentences."""
    before = {links.name: links for links in full.links}
    said = []
    for links in bare.links:
        was, now = before[links.name].training.wire.technology.id, links.training.wire.technology.id
        if not links.training.lost and now != was:
            said.append(f"link {links.name} trains to {now} instead of {was}")
    return said


def _cut_off(full: Wiring, left: dict[str, Any]) -> Iterator[str]:
    """What chips cannot do any more because no link of a role is left."""
    for role in ("scale_up", "host"):
        had = any(role in links.roles for links in full.links)
        names = {one["name"] for one in left["link"]}
        if had and not any(role in links.roles and links.name in names for links in full.links):
            yield f"no {role} link is left"


def _billed(full: System, bare: System) -> System:
    """The rest with power and price of the whole unit less what went and plus what came."""
    assert full.wiring is not None
    assert bare.wiring is not None
    figures = dict(bare.figures)
    for key, sums in (("power.host", electronics_w), ("price.purchase", electronics_usd)):
        if key in figures and key not in bare.wired:
            figures[key] = _moved(figures[key], sums(full.wiring), sums(bare.wiring))
    return replace(bare, figures=figures)


def _moved(figure: Figure, before: Interval, after: Interval) -> Figure:
    """A total with the middle of what was taken away and added."""
    change = after.mid - before.mid
    low, value, high = (max(0.0, bound + change) for bound in (figure.low, figure.value, figure.high))
    return replace(
        figure, value=value, low=low, high=high, shown="", shown_bounds="", grade=max(figure.grade, Grade.DERIVED),
        note="less the parts taken away",
    )  # fmt: skip
