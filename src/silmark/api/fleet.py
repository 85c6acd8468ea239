"""Words for fleets: routers, autoscalers, faults and tiers as they are typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypedDict, cast

from silmark.api import question
from silmark.errors import BadFile, BadValue
from silmark.figures.tables import read_toml
from silmark.serving.fleet_options import (
    Autoscale,
    Fault,
    FaultKind,
    Led,
    Offload,
    OnFault,
    Router,
    RouterName,
    ScaleOn,
    Scores,
)

_MOST_FAULTS = 1000
_MOST_TEXT = 1 << 16
_FAULT = re.compile(
    r"(?:replica\s+(?P<first>\d{1,6})\s+)?"
    r"(?:(?:chip\s+)?(?P<throttle>throttle)\s+(?P<speed>[0-9.]{1,12})|link\s+(?P<link>degrade)\s+(?P<rest>[0-9.]{1,12})"
    r"|(?P<down>down))"
    r"(?:\s+replica\s+(?P<second>\d{1,6}))?\s+(?P<start>\S{1,20})\.\.(?P<end>\S{1,20})"
)
_LOOKS_LIKE = "such as: replica 0 down 120s..180s; chip throttle 0.7 replica 1 60s..300s; link degrade 0.5 10s..20s"
_KINDS: Mapping[str, FaultKind] = {"down": "down", "throttle": "throttle", "link": "link"}
_BYTES = {"gib": 2**30, "gb": 1e9, "tib": 2**40, "tb": 1e12, "mib": 2**20, "mb": 1e6}


class FleetWords(TypedDict, total=False):
    """A fleet; what is missing or None is not there.

    Attributes:
        router: `kv`, `kv:temperature=0.5`, `scores:prefix=3,queue_depth=1`, or one of `fleet_options.ROUTERS`.
        prefill_router: the same for the prefill pool; None for the router's.
        non_cached_tokens: prompts with fewer tokens to compute stay with the decode pool.
        offload: `host`, `host:capacity=8GiB,restore=faster`.
        autoscale: `queue:target=8,min=1,max=4,every=15s,cooldown=300s,startup=60s`.
        faults: `replica 0 down 120s..180s; chip throttle 0.7 replica 1 60s..300s`, or a `.toml` file of `[[fault]]`.
        on_fault, retry: as in `fleet_options.Led`.
        prefill_on: chips of a pool that only prefills; the others then decode.
        prefill_replicas: of that pool; None for as many as fit on its chips.
    """

    router: str | None
    prefill_router: str | None
    non_cached_tokens: question.Count | None
    offload: str | None
    autoscale: str | None
    faults: str | None
    on_fault: str | None
    retry: question.Duration | None
    prefill_on: str | None
    prefill_replicas: question.Count | None


def led(words: FleetWords) -> Led:
    """How a fleet is led; raises BadValue and BadFile for what makes no sense."""
    prefill_router, retry = words.get("prefill_router"), words.get("retry")
    offload, autoscale, faults = words.get("offload"), words.get("autoscale"), words.get("faults")
    first = _router("router", words.get("router") or "round-robin")
    return Led(
        router=first,
        prefill_router=first if prefill_router is None else _router("prefill-router", prefill_router),
        non_cached_tokens=question.whole("non-cached-tokens", words.get("non_cached_tokens") or 0, least=0),
        offload=None if offload is None else _offload(offload),
        autoscale=None if autoscale is None else _autoscale(autoscale),
        faults=() if faults is None else _faults(faults),
        on_fault=cast("OnFault", words.get("on_fault") or "retry"),
        retry_s=0.0 if retry is None else question.duration("retry", retry),
    )


def _words(label: str, text: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """`name:key=value,key=value` in its parts; raises BadValue."""
    name, _, rest = text[:_MOST_TEXT].partition(":")
    found: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in known or key in found:
            raise BadValue(f"{label} {name}", part, f"key=value, each once, of {', '.join(sorted(known))}")
        found[key] = value
    return name.strip(), found


def _number(label: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadValue(label, text, "a number") from None


def _router(label: str, text: str) -> Router:
    scores = {field.name for field in fields(Scores)}
    plain = {field.name for field in fields(Router)} - {"policy", "scores"}
    name, told = _words(label, text, scores | plain)
    values = {key: _number(f"{label} {key}", value) for key, value in told.items()}
    made = Router(cast("RouterName", name), **cast("Any", {k: v for k, v in values.items() if k in plain}))
    weights = {key: value for key, value in values.items() if key in scores}
    if not weights:
        return made
    if name != "scores":
        raise BadValue(label, text, f"weights with scores only: scores:{','.join(f'{k}=1' for k in weights)}")
    return replace(made, scores=Scores(**{name: weights.get(name, 0.0) for name in scores}))


def _offload(text: str) -> Offload:
    tier, told = _words("offload", text, {"capacity", "restore"})
    room = None if "capacity" not in told else _size(told["capacity"])
    return Offload(tier, room, cast("Any", told.get("restore", "always")))


def _size(text: str) -> float:
    match = re.fullmatch(r"([0-9.]{1,15})\s*([a-zA-Z]{2,3})", text)
    if match is None or match[2].lower() not in _BYTES:
        raise BadValue("offload capacity", text, "a size such as 8GiB or 64GB")
    return _number("offload capacity", match[1]) * _BYTES[match[2].lower()]


def _autoscale(text: str) -> Autoscale:
    name, told = _words("autoscale", text, {"target", "min", "max", "every", "cooldown", "startup"})
    usual = Autoscale(cast("ScaleOn", name))
    times = {key: _time(f"autoscale {key}", told[key]) for key in ("every", "cooldown", "startup") if key in told}
    least = question.whole("autoscale min", told.get("min", usual.least))
    return Autoscale(
        on=usual.on,
        target=_number("autoscale target", told["target"]) if "target" in told else usual.target,
        least=least,
        most=question.whole("autoscale max", told.get("max", max(usual.most, least))),
        every_s=times.get("every", usual.every_s),
        cooldown_s=times.get("cooldown", usual.cooldown_s),
        startup_s=times.get("startup"),
    )


def _time(label: str, text: str) -> float:
    return 0.0 if text in ("0", "0s") else question.duration(label, text)


def _faults(text: str) -> tuple[Fault, ...]:
    """Faults from words, or from a file; raises BadValue, BadFile."""
    if text.endswith(".toml"):
        return _from_file(Path(text))
    parts = [part.strip() for part in text[:_MOST_TEXT].split(";") if part.strip()]
    if not 1 <= len(parts) <= _MOST_FAULTS:
        raise BadValue("faults", text, f"1 to {_MOST_FAULTS} of them, {_LOOKS_LIKE}")
    return tuple(_fault(part) for part in parts)


def _fault(text: str) -> Fault:
    match = _FAULT.fullmatch(text)
    if match is None or (match["first"] and match["second"]):
        raise BadValue("faults", text, _LOOKS_LIKE)
    kind: FaultKind = "down" if match["down"] else "throttle" if match["throttle"] else "link"
    share = match["speed"] or match["rest"]
    replica = match["first"] or match["second"]
    return Fault(
        kind,
        _time("faults from", match["start"]),
        _time("faults until", match["end"]),
        None if replica is None else int(replica),
        1.0 if share is None else _number(f"faults {kind}", share),
    )


def _from_file(path: Path) -> tuple[Fault, ...]:
    """`[[fault]]` tables with kind, from, until and, where it matters, replica and share."""
    rows = read_toml(path).get("fault")
    if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_FAULTS or not all(isinstance(r, dict) for r in rows):
        raise BadFile(path, f"expected 1 to {_MOST_FAULTS} tables [[fault]]", "fault")
    found = []
    for row in rows:
        unknown = set(row) - {"kind", "from", "until", "replica", "share"}
        if unknown:
            raise BadFile(path, "expected kind, from, until, replica or share", f"fault.{min(unknown)}")
        replica = row.get("replica")
        if row.get("kind") not in _KINDS:
            raise BadFile(path, f"expected one of {', '.join(_KINDS)}", "fault.kind")
        if not (replica is None or (isinstance(replica, int) and not isinstance(replica, bool))):
            raise BadFile(path, "expected the number of a replica", "fault.replica")
        start, end = (_time(f"fault.{name}", str(row.get(name, ""))) for name in ("from", "until"))
        share = row.get("share", 1.0)
        if isinstance(share, bool) or not isinstance(share, int | float):
            raise BadFile(path, "expected a number from 0.001 to 1", "fault.share")
        found.append(Fault(_KINDS[row["kind"]], start, end, replica, float(share)))
    return tuple(found)
