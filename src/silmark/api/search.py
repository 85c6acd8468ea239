"""The best plans of chips for a workload, and the fleet for a demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from silmark import models, systems
from silmark.api import question, serving
from silmark.api.question import Count, Duration
from silmark.errors import BadValue
from silmark.estimation import Serving
from silmark.figures import assumptions
from silmark.figures.own import remark
from silmark.models import Model
from silmark.report.search import Searched
from silmark.report.size import Fleets
from silmark.search.answer import MODES
from silmark.search.answer import search as run
from silmark.search.size import Demand, Sized
from silmark.search.size import size as run_size
from silmark.search.space import OWN, Asked, Draft
from silmark.systems import Target
from silmark.workloads import Workload

_MOST_PRECISIONS = 8
_MOST_WAYS = 16
_MOST_ROOM = 10.0
_DRAFTED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
"""Numbers of drafted tokens that are tried: neighbours of a large one are nearly as good."""


def search(
    model: str,
    on: str | None = None,
    *,
    prefill_on: str | None = None,
    decode_on: str | None = None,
    workload: str = "chat",
    prompt: Count | None = None,
    output: Count | None = None,
    ttft: Duration | None = None,
    tpot: Duration | None = None,
    precision: str | Sequence[str] = "default",
    cp: str = "auto",
    chunk: str = "none",
    kv_in: str = "own",
    reuse: Count = 0,
    reuse_share: str | float = 1.0,
    think: Duration | None = None,
    offload: str = "none",
    draft: str | None = None,
    acceptance: str | float | None = None,
    draft_tokens: Count = "auto",
    mode: str = "both",
    maturity: Literal["own", "equal"] = "own",
) -> Searched:
    """Every plan of some chips for a workload: the best of each objective, and the frontier of speed and rate.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`; a model that makes tokens.
        on: `32x:nvidia-h100-sxm5-80gb`, a system's id, or a `.toml` file.
        prefill_on, decode_on: chips of two pools, in place of `on`.
        workload, prompt, output, ttft, tpot: as in `compare`.
        precision: formats to try, separated by commas; "default" is each chip's own.
        cp: ways to divide the context of a sequence, separated by commas; "auto": 1, and powers of two that leave a
            group of chips 2,048 tokens of a prompt.
        chunk: most prompt tokens of one pass, separated by commas; "none" is whole prompts.
        kv_in: where the cache may lie, separated by commas: "own" memory of the chips, or tiers of the system ("host").
        reuse, reuse_share, think: what requests of a session share, as in `estimate`.
        offload: memory tiers in which caches may wait for such requests, separated by commas, or "none".
        draft, acceptance, draft_tokens: a model that may draft, as in `estimate`; plans without it are tried as well.
        mode: aggregated, disaggregated or both.
        maturity: "own" or "equal".

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    if mode not in MODES:
        raise BadValue("mode", mode, f"one of {', '.join(MODES)}")
    _checked(maturity)
    if (on is None) == (prefill_on is None) or (prefill_on is None) != (decode_on is None):
        raise BadValue("on", on, "chips for everything, or else prefill_on and decode_on together")
    names = precisions(precision)
    work = question.workload(workload, prompt, output, ttft, tpot, reuse=reuse, reuse_share=reuse_share, think=think)
    loaded, engine = decoder(model), serving.asked(None, "none", draft, acceptance, draft_tokens)
    base = Asked(
        model=loaded,
        target=systems.target(str(decode_on if on is None else on)),
        workload=work,
        precisions=(),
        maturity=maturity,
        contexts=None if cp == "auto" else tuple(_wholes("cp", cp)),
        kv_in=tuple(_words("kv-in", kv_in)),
        servings=_servings(engine.serving, chunk, offload, work),
        draft=None if engine.draft is None else Draft(engine.draft.model, engine.draft.acceptance, _drafted(engine)),
    )
    main = _formatted(base, names)
    first = None if prefill_on is None else _formatted(replace(base, target=systems.target(prefill_on)), names)
    for asked in filter(None, (first, main)):
        _known_tiers(asked)
    answer = run(first, main, mode)
    said = {
        "model": loaded.name,
        "on": main.target.name if first is None else None,
        "prefill_on": first.target.name if first else None,
        "decode_on": main.target.name if first else None,
        "workload": work.name,
        "prompt": work.prompt,
        "output": work.output,
        "ttft_s": question.finite(work.ttft_s),
        "tpot_s": question.finite(work.tpot_s),
        "precision": ",".join(names),
        "mode": "disaggregated" if first else mode,
        "cp": ",".join(map(str, main.divided)),
        "chunk": chunk,
        "kv_in": kv_in,
        "reuse": work.reuse,
        "reuse_share": work.reuse_share,
        "think_s": work.think_s,
        "offload": offload,
        "draft": None if main.draft is None else main.draft.model.name,
        "acceptance": engine.words.get("acceptance"),
        "maturity": maturity,
    }
    return Searched(said, answer, tuple(filter(None, [*loaded.notes, *question.too_long(loaded, work), remark()])))


def size(
    model: str,
    rate: str | float,
    *,
    chips: str | Sequence[str] = "all",
    workload: str = "chat",
    prompt: Count | None = None,
    output: Count | None = None,
    ttft: Duration | None = None,
    tpot: Duration | None = None,
    precision: str | Sequence[str] = "default",
    headroom: float | None = None,
    maturity: Literal["own", "equal"] = "own",
) -> Fleets:
    """The smallest and the cheapest fleet of every chip for a demand.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`; a model that makes tokens.
        rate: requests: "50/s", "3000/min", or a number per second.
        chips: "all", or names and paths.
        workload, prompt, output, ttft, tpot: as in `compare`.
        precision: formats to try, separated by commas; "default" is each chip's own.
        headroom: share of capacity beyond the demand; None takes the assumption of the catalogue.
        maturity: "own" or "equal".

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    _checked(maturity)
    assumed = assumptions("fleet")["demand.headroom"]
    room = assumed.value if headroom is None else headroom
    if not (isinstance(room, int | float) and 0 <= room <= _MOST_ROOM):
        raise BadValue("headroom", room, f"a share of capacity from 0 to {_MOST_ROOM}, such as 0.25")
    demand = Demand(question.frequency("rate", rate), float(room))
    names = precisions(precision)
    loaded, work = decoder(model), question.workload(workload, prompt, output, ttft, tpot)
    rows = [
        run_size(_formatted(Asked(loaded, Target(chip, systems.usual(chip), 1), work, (), maturity), names), demand)
        for chip in question.chip_list(chips)
    ]
    rows.sort(key=_order)
    said = {
        "model": loaded.name,
        "requests_per_s": demand.requests,
        "chips": chips if isinstance(chips, str) else ",".join(chips),
        "workload": work.name,
        "prompt": work.prompt,
        "output": work.output,
        "ttft_s": question.finite(work.ttft_s),
        "tpot_s": question.finite(work.tpot_s),
        "precision": ",".join(names),
        "headroom": demand.headroom,
        "maturity": maturity,
    }
    notes = tuple(filter(None, [*loaded.notes, *question.too_long(loaded, work), remark()]))
    return Fleets(said, demand, assumed if headroom is None else None, tuple(rows), notes)


def _order(row: Sized) -> tuple[bool, bool, float, str]:
    """Cheapest first; without a price by size; without a fleet last."""
    if row.smallest is None:
        return True, row.cannot, 0.0, row.chip.id
    return False, row.cheapest is None, row.cheapest.usd_per_h if row.cheapest else row.smallest.chips, row.chip.id


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


def _checked(maturity: str) -> None:
    if maturity not in ("own", "equal"):
        raise BadValue("maturity", maturity, "own or equal")


def _formatted(asked: Asked, names: Sequence[str]) -> Asked:
    """The question with its formats, as the chip understands their names."""
    formats = dict.fromkeys(question.precision(name, asked.target.chip) for name in names)
    return replace(asked, precisions=tuple(formats))


def _servings(base: Serving, chunk: str, offload: str, work: Workload) -> tuple[Serving, ...]:
    """Every chunk with every tier of waiting caches."""
    tiers = ["" if tier == "none" else tier for tier in _words("offload", offload)]
    if any(tiers) and not work.reuse:
        raise BadValue("offload", offload, "prompts of which a cache is reused: --reuse above 0")
    sizes = _wholes("chunk", chunk, none=True)
    return tuple(replace(base, chunk=size or None, offload=tier) for size in sizes for tier in tiers)


def _known_tiers(asked: Asked) -> None:
    """Raises BadValue for a memory tier that a system does not have."""
    known = asked.target.tiers()
    for label, names, own in (("kv-in", asked.kv_in, OWN), ("offload", (s.offload for s in asked.servings), "main")):
        for name in names:
            if name not in ("", own, *known):
                beyond = f"; {asked.target.system.id} has {', '.join(known) or 'no memory beyond its chips'}"
                raise BadValue(label, name, f"{own}, or memory of the system{beyond}")


def _words(label: str, value: str) -> list[str]:
    """Words separated by commas, each once."""
    parts = [part.strip() for part in str(value).split(",") if part.strip()]
    if not 1 <= len(parts) <= _MOST_WAYS:
        raise BadValue(label, value, f"1 to {_MOST_WAYS} names, separated by commas")
    return list(dict.fromkeys(parts))


def _wholes(label: str, value: str, none: bool = False) -> list[int]:
    """Whole numbers separated by commas, each once; "none" is 0 where it makes sense."""
    parts = _words(label, value)
    return list(dict.fromkeys(0 if none and part == "none" else question.whole(label, part) for part in parts))


def _drafted(engine: serving.Asked) -> tuple[int, ...]:
    """Numbers of drafted tokens to try."""
    asked = None if engine.draft is None else engine.draft.tokens
    return _DRAFTED if asked is None else (asked,)
