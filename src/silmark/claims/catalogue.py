"""Reads claims: the packaged ones by name, a stranger's from a `.toml` path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from silmark.claims.fields import Fields
from silmark.claims.kinds import KINDS
from silmark.claims.spec import Claim, Test
from silmark.errors import BadFile, UnknownName
from silmark.figures import Figure, Source, load_sources
from silmark.figures.tables import packaged, read_figure, read_toml, walk

SPEAKERS = ("vendor", "press", "analyst", "belief")
PARTS = ("readings", "each", "all")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")


def names() -> tuple[str, ...]:
    """All packaged claims."""
    return tuple(packaged("claims"))


def load(name: str) -> Claim:
    """A packaged claim by name, or one from a `.toml` path."""
    if name.endswith(".toml"):
        return parse(Path(name), read_toml(Path(name)))
    if name not in packaged("claims"):
        raise UnknownName("claim", name, names())
    return _packaged_claim(name)


@cache
def _packaged_claim(name: str) -> Claim:
    return parse(Path(f"{name}.toml"), packaged("claims")[name])


def parse(path: Path, table: dict[str, Any]) -> Claim:
    """Checks one claim's file; raises BadFile that names file, key and what is expected."""
    fields = Fields(path, "", table)
    name = fields.text("id")
    if not _NAME.fullmatch(name):
        raise fields.bad("id", "expected small letters, digits, dots and dashes")
    when = fields.text("when")
    if not _DATE.fullmatch(when):
        raise fields.bad("when", "expected a date such as 2024, 2024-03 or 2024-03-18")
    sources = _sources(fields)
    tests, kinds, asides = _tests(fields)
    claim = Claim(
        name=name,
        title=fields.text("title"),
        statement=fields.text("statement"),
        who=fields.text("who"),
        speaker=fields.choice("speaker", SPEAKERS),
        when=when,
        sources=sources,
        restated=fields.text("restated"),
        conditions=fields.texts("conditions"),
        tests=tests,
        kinds=kinds,
        asides=asides,
        parts=fields.choice("parts", PARTS, "readings"),
        circle=frozenset((name, *fields.texts("circle"))),
        figures=_figures(fields),
        note=fields.text("note", ""),
    )
    fields.done()
    return claim


def _sources(fields: Fields) -> tuple[Source, ...]:
    """What `source` names: keys of the catalogue's table, or of `[sources.KEY]` in the same file."""
    own: dict[str, Source] = {}
    if "sources" in fields.table:
        listed = fields.inner("sources")
        for key in listed.table:
            entry = listed.inner(key)
            own[key] = Source(key, *(entry.text(name) for name in ("title", "publisher", "date", "address")))
            entry.done()
    known: Mapping[str, Source] = {**load_sources(), **own}
    wanted = fields.texts("source", 1)
    for key in wanted:
        if key not in known:
            raise fields.bad(
                "source", f"{key[:60]!r} is neither in the catalogue's sources nor a [sources.{key[:30]}] here"
            )
    return tuple(known[key] for key in wanted)


def _tests(fields: Fields) -> tuple[tuple[Test, ...], tuple[str, ...], frozenset[str]]:
    """The tests, their kinds, and the labels of those that only inform."""
    tests: list[Test] = []
    kinds: list[str] = []
    asides: set[str] = set()
    for table in fields.inners("test"):
        kinds.append(table.choice("kind", KINDS))
        test = KINDS[kinds[-1]](table)
        if test.label in {one.label for one in tests}:
            raise table.bad("label", f"{test.label[:60]!r} is the label of another test too")
        tests.append(test)
        if table.yes("informs", False):
            asides.add(test.label)
        table.done()
    if len(asides) == len(tests):
        raise fields.bad("test", "expected a test that decides; all of them only inform")
    return tuple(tests), tuple(kinds), frozenset(asides)


def _figures(fields: Fields) -> dict[str, Figure]:
    """Figures that only this claim needs: `[figures]` with the same leaves as a chip's file."""
    if "figures" not in fields.table:
        return {}
    found: dict[str, Figure] = {}
    for key, leaf in walk(fields.inner("figures").table):
        if not isinstance(leaf, dict):
            raise BadFile(fields.path, "expected an inline table with value, unit, source and grade", f"figures.{key}")
        found[key] = read_figure(fields.path, f"figures.{key}", leaf)
    return found
