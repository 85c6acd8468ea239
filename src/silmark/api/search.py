"""The best plans of chips for a workload, and the fleet for a demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from silmark import systems
from silmark.api import question, ways
from silmark.api.question import Count, Duration
from silmark.errors import BadValue
from silmark.figures import assumptions
from silmark.figures.own import remark
from silmark.planning.answer import MODES
from silmark.planning.answer import search as run
from silmark.planning.size import Demand, Sized
from silmark.planning.size import size as run_size
from silmark.planning.space import Asked
from silmark.report.search import Searched
from silmark.report.size import Fleets
from silmark.systems import Target

_MOST_ROOM = 10.0


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
    names = ways.precisions(precision)
    work = question.workload(workload, prompt, output, ttft, tpot, reuse=reuse, reuse_share=reuse_share, think=think)
    base = Asked(
        model=ways.decoder(model),
        target=systems.target(str(decode_on if on is None else on)),
        workload=work,
        precisions=(),
        maturity=maturity,
        contexts=None if cp == "auto" else tuple(ways.wholes("cp", cp)),
        kv_in=tuple(ways.words("kv-in", kv_in)),
        servings=ways.servings(chunk, offload, work),
        draft=ways.draft(draft, acceptance, draft_tokens),
    )
    main = ways.formatted(base, names)
    first = None if prefill_on is None else ways.formatted(replace(base, target=systems.target(prefill_on)), names)
    for asked in filter(None, (first, main)):
        ways.known_tiers(asked)
    return Searched(_said(main, first, mode), run(first, main, mode), _notes(main))


def _said(main: Asked, first: Asked | None, mode: str) -> dict[str, Any]:
    """What was asked, after defaults."""
    work, tried = main.workload, main.servings
    return {
        **_common(main),
        "on": main.target.name if first is None else None,
        "prefill_on": first.target.name if first else None,
        "decode_on": main.target.name if first else None,
        "precision": ",".join(dict.fromkeys(str(one) for part in (first, main) if part for one in part.precisions)),
        "mode": "disaggregated" if first else mode,
        "cp": ",".join(map(str, main.divided)),
        "chunk": ",".join(dict.fromkeys(str(one.chunk or "none") for one in tried)),
        "kv_in": ",".join(main.kv_in),
        "reuse": work.reuse,
        "reuse_share": work.reuse_share,
        "think_s": work.think_s,
        "offload": ",".join(dict.fromkeys(one.offload or "none" for one in tried)),
        "draft": main.draft.model.name if main.draft else None,
        "acceptance": main.draft.acceptance.as_dict() if main.draft else None,
    }


def _common(asked: Asked) -> dict[str, Any]:
    """What searches and fleets are asked alike."""
    work = asked.workload
    return {
        "model": asked.model.name,
        "workload": work.name,
        "prompt": work.prompt,
        "output": work.output,
        "ttft_s": question.finite(work.ttft_s),
        "tpot_s": question.finite(work.tpot_s),
        "maturity": asked.maturity,
    }


def _notes(asked: Asked) -> tuple[str, ...]:
    loaded = asked.model
    return tuple(filter(None, [*loaded.notes, *question.too_long(loaded, asked.workload), remark()]))


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
    names = ways.precisions(precision)
    loaded, work = ways.decoder(model), question.workload(workload, prompt, output, ttft, tpot)
    asked = [
        Asked(loaded, Target(chip, systems.usual(chip), 1), work, (), maturity) for chip in question.chip_list(chips)
    ]
    rows = [run_size(ways.formatted(one, names), demand) for one in asked]
    rows.sort(key=_order)
    said = {
        **_common(asked[0]),
        "requests_per_s": demand.requests,
        "chips": chips if isinstance(chips, str) else ",".join(chips),
        "precision": ",".join(names),
        "headroom": demand.headroom,
    }
    return Fleets(said, demand, assumed if headroom is None else None, tuple(rows), _notes(asked[0]))


def _order(row: Sized) -> tuple[bool, bool, float, str]:
    """Cheapest first; without a price by size; without a fleet last."""
    if row.smallest is None:
        return True, row.cannot, 0.0, row.chip.id
    return False, row.cheapest is None, row.cheapest.usd_per_h if row.cheapest else row.smallest.chips, row.chip.id


def _checked(maturity: str) -> None:
    if maturity not in ("own", "equal"):
        raise BadValue("maturity", maturity, "own or equal")
