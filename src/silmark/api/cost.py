"""What a model costs on a system: every part, per token, with what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, cast

from silmark.api.question import Count, Duration
from silmark.api.single import estimate
from silmark.economics.breakeven import break_even
from silmark.economics.cost import Cost
from silmark.economics.cost import cost as price_in_full
from silmark.economics.rent import PAYS, Pay
from silmark.economics.scenario import read, words
from silmark.economics.terms import Terms, terms
from silmark.errors import BadValue
from silmark.estimation import Estimate
from silmark.report.priced import Priced

_WORKLOAD = ("workload", "prompt", "output", "ttft", "tpot", "maturity")
"""Options that describe what is asked, not how one system does it."""


class Options(TypedDict, total=False):
    """What `estimate` may be asked besides model and system."""

    tp: Count | None
    pp: Count | None
    dp: Count | None
    ep: Count | None
    batch: Count
    workload: str
    prompt: Count | None
    output: Count | None
    ttft: Duration | None
    tpot: Duration | None
    precision: str
    weights_in: Literal["auto", "main", "sram"]
    kv_in: Literal["auto", "main", "sram"]
    maturity: Literal["own", "equal"]


def cost(
    model: str,
    on: str,
    *,
    pay: Pay = "auto",
    scenario: str | Path | None = None,
    given: Sequence[str] = (),
    region: str = "",
    against: str | None = None,
    saving: float = 0.0,
    **options: Unpack[Options],
) -> Priced:
    """What a model costs on a system.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        on: `8x:nvidia-h100-sxm5-80gb`, a system's id, or a `.toml` file.
        pay: own, rent, reserved, spot, or auto: what is public first.
        scenario: TOML file with terms of your own.
        given: terms as words, such as `capital.utilisation=0.6`; they win over the file.
        region: where the machines stand: electricity price and carbon.
        against: another system, whose tokens are to be undercut.
        saving: share of that system's cost per token to be saved, from 0 up to below 1.
        **options: plan and workload as in `estimate`.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    if pay not in PAYS:
        raise BadValue("pay", pay, ", ".join(PAYS))
    if isinstance(saving, bool) or not isinstance(saving, int | float) or not 0 <= saving < 1:
        raise BadValue("saving", saving, "a share from 0 up to below 1, such as 0.9")
    if saving and against is None:
        raise BadValue("saving", saving, "another system to save against")
    place = own_terms(scenario, given, region)
    asked, status, reason, answer = run(model, on, options)
    asked |= {"pay": pay, "region": region or "default", "scenario": str(scenario or ""), "set": list(given)}
    if answer is None:
        return Priced(asked, status, reason, None)
    priced = price_in_full(answer, place, pay)
    if against is None:
        return Priced(asked, status, reason, priced)
    shared = common(place)
    baseline = other_system("against", model, against, shared, options)
    asked |= {"against": baseline.estimate.step_model.target.name, "saving": saving}
    even = break_even(answer, shared, baseline.estimate, baseline.bill, 1.0 - saving)
    return Priced(asked, status, reason, priced, even)


def own_terms(scenario: str | Path | None, given: Sequence[str], region: str, more: Terms | None = None) -> Terms:
    """Defaults (and `more` of them), then a region's terms, then a file's, then words."""
    base = terms(region, more)
    own = read(Path(scenario), base) if scenario else {}
    return {**base, **own, **words(given, base)}


def run(model: str, on: str, options: Options) -> tuple[dict[str, Any], str, str, Estimate | None]:
    """The question, status, reason and estimate of one batch; raises BadValue if several were asked."""
    depth = estimate(model, on, **cast("Any", options))
    if len(depth.rows) != 1:
        raise BadValue("batch", options.get("batch"), "one number, or auto")
    row = depth.rows[0]
    return dict(depth.question), row.status, row.reason, row.estimate


def common(place: Terms) -> Terms:
    """Terms of the place and of the money, without prices of one chip or system."""
    return {key: figure for key, figure in place.items() if not key.startswith(("chip.", "system."))}


def other_system(label: str, model: str, on: str, place: Terms, options: Options) -> Cost:
    """What another system costs for the same workload, under its usual cut; raises BadValue if that is unknown."""
    kept = {key: value for key, value in options.items() if key in _WORKLOAD}
    _, _, reason, other = run(model, on, cast("Options", kept))
    if other is None:
        raise BadValue(label, on, f"a system that can run {model} ({reason})")
    found = price_in_full(other, place)
    if found.basis == "unpriced":
        raise BadValue(label, on, "a system whose price is public")
    return found
