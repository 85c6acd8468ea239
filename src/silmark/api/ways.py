"""What a search tries beside plans, from the words that name it: formats, chunks, memory tiers, drafts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from silmark import models
from silmark.api import question, serving
from silmark.api.question import Count
from silmark.errors import BadValue
from silmark.estimation import Serving
from silmark.models import Model
from silmark.planning.space import OWN, Asked, Draft
from silmark.workloads import Workload

_MOST_PRECISIONS = 8
_MOST_WAYS = 16
_DRAFTED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
"""Numbers of drafted tokens that are tried: neighbours of a large one are nearly as good."""


def decoder(name: str) -> Model:
    """A model that makes tokens; raises BadValue for others."""
    loaded = models.load(name)
    if loaded.kind != "decoder":
        raise BadValue("model", name, f"a model that makes tokens; {loaded.name} is a {loaded.kind}")
    return loaded


def precisions(wanted: str | Sequence[str]) -> list[str]:
    """Names of formats, checked, each once."""
    parts = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    names = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not 1 <= len(names) <= _MOST_PRECISIONS:
        raise BadValue("precision", wanted, f"1 to {_MOST_PRECISIONS} formats, separated by commas")
    return [question.known_format(name) for name in names]


def formatted(asked: Asked, names: Sequence[str]) -> Asked:
    """The question with its formats, as the chip understands their names."""
    formats = dict.fromkeys(question.precision(name, asked.target.chip) for name in names)
    return replace(asked, precisions=tuple(formats))


def servings(chunk: str, offload: str, work: Workload) -> tuple[Serving, ...]:
    """Every chunk with every tier of waiting caches."""
    tiers = ["" if tier == "none" else tier for tier in words("offload", offload)]
    if any(tiers) and not work.reuse:
        raise BadValue("offload", offload, "prompts of which a cache is reused: --reuse above 0")
    sizes = wholes("chunk", chunk, none=True)
    return tuple(Serving(chunk=size or None, offload=tier) for size in sizes for tier in tiers)


def known_tiers(asked: Asked) -> None:
    """Raises BadValue for a memory tier that a system does not have; waiting caches may have several, joined by +."""
    known = asked.target.tiers()
    waiting = (tier for one in asked.servings for tier in one.offload.split("+"))
    for label, names, own in (("kv-in", asked.kv_in, OWN), ("offload", waiting, "main")):
        for name in names:
            if name not in ("", own, *known):
                beyond = f"; {asked.target.system.id} has {', '.join(known) or 'no memory beyond its chips'}"
                raise BadValue(label, name, f"{own}, or memory of the system{beyond}")


def words(label: str, value: str) -> list[str]:
    """Words separated by commas, each once."""
    parts = [part.strip() for part in str(value).split(",") if part.strip()]
    if not 1 <= len(parts) <= _MOST_WAYS:
        raise BadValue(label, value, f"1 to {_MOST_WAYS} names, separated by commas")
    return list(dict.fromkeys(parts))


def wholes(label: str, value: str, none: bool = False) -> list[int]:
    """Whole numbers separated by commas, each once; "none" is 0 where it makes sense."""
    parts = words(label, value)
    return list(dict.fromkeys(0 if none and part == "none" else question.whole(label, part) for part in parts))


def draft(name: str | None, acceptance: str | float | None, tokens: Count) -> Draft | None:
    """A model that may draft, checked as in `estimate`, with the numbers of tokens to try."""
    asked = serving.asked(draft=name, acceptance=acceptance, draft_tokens=tokens).draft
    if asked is None:
        return None
    return Draft(asked.model, asked.acceptance, _DRAFTED if asked.tokens is None else (asked.tokens,))
