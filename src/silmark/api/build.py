"""Build or buy: a chip of one's own against one that is bought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from silmark.api.cost import Options, common, other_system, own_terms, run
from silmark.api.question import Count, whole
from silmark.economics import nre
from silmark.economics.breakeven import renamed
from silmark.errors import BadValue
from silmark.report.moves import Built


def build_or_buy(
    own: str,
    against: str,
    *,
    model: str = "llama-3.1-70b",
    volume: Count = 100_000,
    scenario: str | Path | None = None,
    given: Sequence[str] = (),
    region: str = "",
    **options: Unpack[Options],
) -> Built:
    """From which volume a chip of one's own is cheaper than one that is bought, token for token.

    Args:
        own: system of the own chip, such as `8x:google-tpu-v6e`.
        against: system to buy instead, with a public price.
        model: what both serve.
        volume: own chips that will be made.
        scenario, given, region: terms as in `cost`; keys of the project are `design.*`, `silicon.*`, `project.*`.
        **options: plan and workload as in `estimate`; the plan is that of the own system.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    chips = whole("volume", volume)
    place = own_terms(scenario, given, region, nre.defaults())
    shared = common(place)
    asked, _, reason, answer = run(model, own, options)
    if answer is None:
        raise BadValue("own", own, f"a system that can run {model} ({reason})")
    bought = other_system("against", model, against, shared, options)
    chip = answer.step_model.target.chip
    found = nre.build_or_buy(answer, shared, renamed(bought.per_million, shared), float(chips))
    question: dict[str, Any] = {**asked, "against": bought.estimate.step_model.target.name, "volume": chips}
    project = {name: float(amount) for name, amount in nre.once(chip, shared).amounts().items()}
    figures = {**nre.figures(chip, shared), **bought.figures}
    return Built(question, found, nre.parts(chip, shared), project, nre.silicon(chip).assumed, figures)
