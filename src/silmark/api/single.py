"""One system in depth: a plan as asked, an array of batches, operator by operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from silmark import models, systems
from silmark.api import question, serving
from silmark.api.imbalance import imbalance as uneven
from silmark.api.question import Count, Duration
from silmark.chips.mechanisms import Placement
from silmark.economics import price
from silmark.errors import BadValue
from silmark.estimation import Estimate
from silmark.figures.own import remark
from silmark.mapping import Infeasible, Plan
from silmark.mapping.candidates import cut, least_chips, placements
from silmark.models import Model
from silmark.report.rows import Row
from silmark.step import StepModel, compile_step
from silmark.systems import Target

SCHEMA = "silmark.estimate/1"


@dataclass(frozen=True, slots=True)
class Depth:
    """One system under one plan.

    Attributes:
        step_model: the compiled plan; evaluates any step. None if the plan is infeasible.
        rows: one per batch asked, as in a comparison.
    """

    question: dict[str, Any]
    step_model: StepModel | None
    rows: tuple[Row, ...]

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """The document of silmark.estimate/1: rows as in silmark.compare/1, and operators of the last row."""
        return {
            "schema": SCHEMA,
            "question": self.question,
            "rows": [row.as_dict(explain) for row in self.rows],
            "operators": self.operators(),
        }

    def operators(self) -> list[dict[str, Any]]:
        """Every operator of the last possible row's phases: name, kind, instances, seconds, joules, what bounds it."""
        last = next((row.estimate for row in reversed(self.rows) if row.estimate), None)
        if last is None or self.step_model is None:
            return []
        found = []
        for phase, step in last.steps().items():
            cost = self.step_model.cost(step)
            total = float(cost.time_s)
            for share in cost.ops:
                seconds = float(share.cost.time_s)
                found.append(
                    {
                        "phase": phase,
                        "operator": share.op.name,
                        "kind": share.op.kind,
                        "count": share.op.count,
                        "time_s": seconds,
                        "share": seconds / total if total else 0.0,
                        "joules": float(self.step_model.collect([share]).energy_j),
                        "bound_by": share.cost.bound_by() if seconds else "-",
                    }
                )
        return found


def estimate(
    model: str,
    on: str | Target,
    *,
    tp: Count | None = None,
    pp: Count | None = None,
    dp: Count | None = None,
    ep: Count | None = None,
    cp: Count = 1,
    batch: Count | Sequence[Count] = "auto",
    workload: str = "chat",
    prompt: Count | None = None,
    output: Count | None = None,
    ttft: Duration | None = None,
    tpot: Duration | None = None,
    precision: str = "default",
    chunk: Count | None = None,
    reuse: Count = 0,
    reuse_share: str | float = 1.0,
    think: Duration | None = None,
    offload: str = "none",
    draft: str | None = None,
    acceptance: str | float | None = None,
    draft_tokens: Count = "auto",
    attention: Literal["heads", "batch"] = "heads",
    weights_in: Literal["auto", "main", "sram"] = "auto",
    kv_in: str = "auto",
    region: Count = 0,
    imbalance: str | float = 1.0,
    maturity: Literal["own", "equal"] = "own",
) -> Depth:
    """What one system does for a model under a plan.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        on: `8x:nvidia-h100-sxm5-80gb`, a system's id, a `.toml` file, or a target already loaded.
        tp, pp, dp, ep: the cut; what is not given is the usual cut for the rest of the chips.
        cp: groups of tp chips that divide the tokens of every sequence (context parallelism).
        batch: sequences in flight on the whole system: a number, several, "1,2,4", or "auto".
        workload, prompt, output, ttft, tpot: as in `compare`.
        precision: a format, "weights:compute[:kv]", or "default".
        chunk: most prompt tokens of one pass (chunked prefill); None: whole prompts.
        reuse, reuse_share, think: tokens of a prompt that an earlier request of its session left in a cache, share of
            the requests that have some, and mean time from an answer to the session's next request.
        offload: memory tier in which such caches wait: "main", a tier of the system such as "host", or "none".
        draft, acceptance, draft_tokens: a model that drafts, the chance that its tokens are kept (0.7, or
            "0.6:0.7:0.8" with an interval), and how many it drafts ("auto": the best number).
        attention: how tp chips divide the cache: by heads, or by sequences ("batch").
        weights_in, kv_in: memory tiers of weights and cache on chips that have a choice; the cache may also lie in a
            tier of the system ("host"), which attention then reads over the host link.
        region: cores per side of a layer's region on a wafer, 0 for the default.
        imbalance: rows of the fullest chip's experts over the mean, or "power-law:1.2".
        maturity: "own" or "equal".

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    if maturity not in ("own", "equal"):
        raise BadValue("maturity", maturity, "own or equal")
    loaded, target = models.load(model), systems.target(on) if isinstance(on, str) else on
    ways = tuple(
        None if way is None else question.whole(n, way)
        for n, way in (("tp", tp), ("pp", pp), ("dp", dp), ("ep", ep), ("cp", cp))
    )
    if attention not in ("heads", "batch"):
        raise BadValue("attention", attention, "heads or batch")
    side = question.whole("region", region, least=0)
    plan = asked_plan(loaded, target, ways, precision, (weights_in, kv_in), side)
    plan = replace(plan, attention=attention, expert_imbalance=uneven(imbalance, loaded, plan))
    engine = serving.asked(chunk, offload, draft, acceptance, draft_tokens)
    compiled = _compiled(loaded, target, plan, maturity)
    rows = []
    for users in _batches(batch):
        asked = question.workload(
            workload, prompt, output, ttft, tpot, users, reuse=reuse, reuse_share=reuse_share, think=think
        )
        if asked.users is not None and asked.users < plan.dp:
            raise BadValue("batch", asked.users, f"at least one sequence for each of the {plan.dp} replicas")
        answer = compiled if isinstance(compiled, Infeasible) else engine.answer(compiled, asked, maturity)
        rows.append(_row(target, answer))
    said = {
        "model": loaded.name,
        "on": target.name,
        "workload": workload,
        "plan": str(plan),
        "batch": str(batch),
        "maturity": maturity,
    }
    said |= engine.words
    if remark():
        said["calibration"] = remark()
    return Depth(said, None if isinstance(compiled, Infeasible) else compiled, tuple(rows))


def _row(target: Target, answer: Estimate | Infeasible) -> Row:
    if isinstance(answer, Infeasible):
        return Row(target.chip, "cannot-run" if answer.cannot else "infeasible", answer.reason)
    return Row(target.chip, "infeasible" if answer.misses else "ok", answer.misses, answer, price(answer))


def _batches(batch: Count | Sequence[Count]) -> list[Count]:
    if isinstance(batch, str):
        parts: list[Count] = [part.strip() for part in batch.split(",")]
    else:
        try:
            parts = list(batch)  # type: ignore[arg-type]
        except TypeError:
            parts = [batch]  # type: ignore[list-item]
    if not 1 <= len(parts) <= 1000:
        raise BadValue("batch", batch, "1 to 1000 numbers, or auto")
    return parts


def asked_plan(
    model: Model,
    target: Target,
    ways: tuple[int | None, ...],
    precision_name: str,
    tiers: tuple[str, str] = ("auto", "auto"),
    region: int = 0,
) -> Plan:
    """The plan of the given tp, pp, dp, ep and cp; what is None is the usual cut for the rest of the chips.

    Raises:
        BadValue: more chips than the target has, memory tiers that the chip has not.
    """
    tp, pp, dp, ep, cp = *ways[:4], ways[4] or 1
    wanted = question.precision(precision_name, target.chip)
    place = _place(model, target, tiers)
    replicas = dp or 1
    if tp is not None and pp is None and dp is None and tp >= least_chips(model, target.chip, wanted, place):
        replicas = max(1, target.count // (tp * cp))  # what a replica leaves over serves others
    each = target.count // (replicas * cp)
    usual = cut(model, replace(target, count=max(1, each)), wanted, place)
    tp = tp or (usual.tp if pp is None else max(1, each // pp))
    pp = pp or max(1, each // tp)
    plan = replace(
        usual,
        tp=tp,
        pp=pp,
        dp=replicas,
        ep=ep or (usual.ep if usual.tp == tp else 1),
        cp=cp,
        placement=Placement(place.weights, place.kv, region or usual.placement.region),
    )
    if plan.chips > target.count:
        raise BadValue("tp x cp x pp x dp", plan.chips, f"at most {target.count}, the chips of {target.name}")
    return plan


def _place(model: Model, target: Target, tiers: tuple[str, str]) -> Placement:
    """Where weights and cache lie as asked; the system's memory may hold the cache of any chip."""
    weights, kv = tiers
    places, beyond = placements(target.chip, model.kind), target.tiers()
    free = kv == "auto" or kv in beyond
    fitting = [p for p in places if weights in ("auto", p.weights) and (free or p.kv == kv)]
    if not fitting:
        known = "; ".join(f"{p.weights} and {p.kv}" for p in places)
        more = f"; or the cache in {', '.join(beyond)}" if beyond else ""
        raise BadValue("tiers of weights and cache", " and ".join(tiers), f"one of: {known}{more}")
    place = fitting[-1] if weights == "auto" and free else fitting[0]
    return replace(place, kv=kv) if kv in beyond else place


@lru_cache(maxsize=256)
def _compiled(model: Model, target: Target, plan: Plan, maturity: Literal["own", "equal"]) -> StepModel | Infeasible:
    return compile_step(model, target, plan, maturity)
