"""Evaluates one shard of a sweep: plan by plan, each compiled once, its points as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms import AbstractMechanism, Placement
from silmark.chips.mechanisms.base import RESOURCES
from silmark.economics import CostRate, cost_rate
from silmark.errors import BadValue
from silmark.estimation.chunks import MAX_PASSES
from silmark.estimation.steady import Steady, steady
from silmark.figures import Grade
from silmark.formats import Precision
from silmark.graph import Array
from silmark.mapping import Infeasible, Plan
from silmark.planning.sweep.columns import COLUMNS
from silmark.planning.sweep.grid import Cut, Points, Stretch
from silmark.planning.sweep.served import Row, served
from silmark.planning.sweep.work import Work
from silmark.step import Maturity, StepModel, compile_step

STATUSES = ("ok", "infeasible", "cannot-run")
_GRADES = tuple(str(grade) for grade in Grade)
_NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Words:
    """A column of texts: the place of every row's word among a few, -1 for none."""

    words: Sequence[str]
    at: NDArray[np.int64]


Cells = Words | Array | str | float
"""A column of some rows: a value for each, or the one that all of them have. NaN where there is none."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one plan, by column; a column that is not there has no values."""

    rows: int
    columns: Mapping[str, Cells]


class Compiler:
    """Lays and compiles plans; keeps the last replica, since neighbours in a grid often differ in their number only."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._kept: dict[tuple[str, str, str, Plan], StepModel | Infeasible] = {}
        self._built: dict[tuple[str, Precision], dict[Placement, AbstractMechanism]] = {}
        self._rates: dict[str, CostRate | None] = {}

    def plan(self, cut: Cut) -> Plan | Infeasible:
        """The plan of a cut, or why it makes no sense on the target."""
        try:
            return self.work.lay(self.work.models[cut.model], self.work.targets[cut.on], cut)
        except BadValue as error:
            return Infeasible(str(error))

    def replica(self, cut: Cut, plan: Plan) -> StepModel | Infeasible:
        """One replica of a plan, compiled."""
        alone = replace(plan, dp=1)
        key = (cut.model, cut.on, cut.maturity, alone)
        if key not in self._kept:
            self._kept.clear()
            model, target = self.work.models[cut.model], self.work.targets[cut.on]
            maturity: Maturity = "own" if cut.maturity == "own" else "equal"
            built = self._built.setdefault((cut.on, plan.precision), {})
            self._kept[key] = compile_step(model, target, alone, maturity, built)
        return self._kept[key]

    def rate(self, on: str) -> CostRate | None:
        """What the chips of a target cost."""
        if on not in self._rates:
            self._rates[on] = cost_rate(self.work.targets[on])
        return self._rates[on]


def evaluate(work: Work, shard: int) -> list[Piece]:
    """The rows of a shard, one piece for each plan in it."""
    compiler = Compiler(work)
    return [evaluate_stretch(compiler, stretch) for stretch in work.grid.stretches(shard)]


def evaluate_stretch(compiler: Compiler, stretch: Stretch) -> Piece:
    """The rows of one plan's points."""
    cut = stretch.block.cut(stretch.plan)
    columns: dict[str, Cells] = {
        "point": np.arange(stretch.first, stretch.first + stretch.stop - stretch.start, dtype=np.float64),
        "model": cut.model,
        "on": cut.on,
        "chip": compiler.work.targets[cut.on].chip.id,
        "precision": cut.precision,
        "maturity": cut.maturity,
        "attention": cut.attention,
        "weights_in": cut.weights_in,
        "kv_in": cut.kv_in,
        **{name: float(size) for name, size in cut.sizes.items() if size is not None},
    }
    plan = compiler.plan(cut)
    if not isinstance(plan, Infeasible):
        columns |= {name: float(getattr(plan, name)) for name in ("tp", "cp", "pp", "ep", "dp", "chips")}
        place = plan.placement
        columns |= {"precision": str(plan.precision), "weights_in": place.weights, "kv_in": place.kv}
    if compiler.work.grid.serving is not None:
        loads = stretch.block.loads(stretch.start, stretch.stop)
        columns |= _columns(served(compiler.work, cut, plan, loads))
    else:
        columns |= _steady(compiler, cut, plan, stretch.block.points(stretch.start, stretch.stop))
    return Piece(stretch.stop - stretch.start, columns)


def _steady(compiler: Compiler, cut: Cut, plan: Plan | Infeasible, points: Points) -> dict[str, Cells]:
    """Columns of steady states."""
    replica = plan if isinstance(plan, Infeasible) else compiler.replica(cut, plan)
    if isinstance(replica, Infeasible) or isinstance(plan, Infeasible):
        return points._asdict() | _refused(cast("Infeasible", replica))
    return points._asdict() | _answers(replica, plan, cut.sizes["chunk"], points, compiler.rate(cut.on))


def _columns(rows: Sequence[Row]) -> dict[str, Cells]:
    """Rows by column; a column that a row lacks has no value there."""
    found: dict[str, Cells] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        if COLUMNS[name].type == "text":
            known = (
                STATUSES if name == "status" else tuple(dict.fromkeys(str(row[name]) for row in rows if name in row))
            )
            found[name] = Words(
                known, np.array([known.index(str(row[name])) if name in row else _NOWHERE for row in rows])
            )
        else:
            found[name] = np.array([row.get(name, math.nan) for row in rows], dtype=np.float64)
    return found


def _refused(answer: Infeasible) -> dict[str, Cells]:
    return {"status": "cannot-run" if answer.cannot else "infeasible", "reason": answer.reason}


def _answers(
    model: StepModel, plan: Plan, chunk: int | None, points: Points, cost: CostRate | None
) -> dict[str, Cells]:
    """Numbers of the points that can be, reasons of the others."""
    dp = plan.dp
    batch, prompt, output = points
    room = model.memory.rooms(prompt + output)
    each = np.ceil(batch / dp)  # replicas are equally full
    passes = np.ceil(prompt / chunk) if chunk else np.ones(batch.size)
    fits = (batch >= dp) & (each <= room) & (passes <= MAX_PASSES)
    found: dict[str, Cells] = {
        "status": Words(STATUSES, np.where(fits, 0, 1)),
        "reason": _reasons(fits, np.stack([batch, room, passes]), dp),
        "batch_max": room * dp,
    }
    at = np.flatnonzero(fits)
    if at.size:
        answer = steady(model, each[at], prompt[at], output[at], chunk)
        found |= {name: _placed(value, at, batch.size) for name, value in _numbers(plan, answer, cost).items()}
    return found


def _numbers(plan: Plan, answer: Steady, cost: CostRate | None) -> dict[str, Words | Array]:
    """The columns of points that fit, for the whole system."""
    dp = plan.dp
    rate, watts = answer.tokens_per_s.mid * dp, answer.power_w * dp
    return {
        "ttft_s": answer.ttft_s.mid,
        "tpot_s": answer.tpot_s.mid,
        "tpot_s_low": answer.tpot_s.low,
        "tpot_s_high": answer.tpot_s.high,
        "itl_max_s": answer.itl_max_s,
        "tokens_per_s": rate,
        "tokens_per_s_low": answer.tokens_per_s.low * dp,
        "tokens_per_s_high": answer.tokens_per_s.high * dp,
        "tokens_per_s_user": 1.0 / answer.tpot_s.mid,
        "tokens_per_s_chip": rate / plan.chips,
        "power_w": watts,
        "joules_per_token": watts / rate,
        "usd_per_mtok": np.full(rate.size, np.nan) if cost is None else 1e6 * cost.at(plan.chips, watts) / rate,
        "bound_by": Words(RESOURCES, answer.bound_by),
        "grade": Words(_GRADES, answer.grade),
    }


def _placed(value: Words | Array, at: NDArray[np.intp], rows: int) -> Words | Array:
    """Values of some rows among all of them."""
    if isinstance(value, Words):
        places = np.full(rows, _NOWHERE)
        places[at] = value.at
        return Words(value.words, places)
    numbers = np.full(rows, np.nan)
    numbers[at] = value
    return numbers


def _reasons(fits: NDArray[np.bool_], why: Array, dp: int) -> Words:
    """Why points cannot be, each sentence once.

    Args:
        fits: points that can.
        why: batch, sequences that a replica holds, and passes of a prompt, by point [3, points].
        dp: replicas.
    """
    causes, at = np.unique(why[:, ~fits], axis=1, return_inverse=True)
    places = np.full(fits.size, _NOWHERE)
    places[~fits] = at
    sentences = [_reason(int(batch), int(room), int(passes), dp) for batch, room, passes in causes.T]
    return Words(sentences, places)


def _reason(batch: int, room: int, passes: int, dp: int) -> str:
    if batch < dp:
        return f"{dp:,} replicas want at least one sequence each; there are {batch:,}"
    if passes > MAX_PASSES:
        return f"a prompt takes {passes:,} chunks; at most {MAX_PASSES:,}"
    if room < 1:
        return "the cache of one sequence does not fit"
    return f"the cache of {batch:,} sequences does not fit; that of {room * dp:,} does"
