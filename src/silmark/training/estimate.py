"""From a model, chips and a job to a step's time with its interval, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from silmark.chips import Chip, coefficients
from silmark.chips.mechanisms import AbstractMechanism, Placement, build
from silmark.estimation.mixture import per_item
from silmark.figures import Figure, Grade, Interval
from silmark.figures.figure import quadrature
from silmark.formats import Precision
from silmark.mapping import Infeasible, probe, refusal
from silmark.models import Model
from silmark.systems import Target
from silmark.training import streamed
from silmark.training.flops import hardware_per_token, per_token
from silmark.training.job import Job
from silmark.training.memory import Memory, layers_keep, memory, too_much
from silmark.training.power import figures as power_figures
from silmark.training.power import power
from silmark.training.software import effective, figures, powered, values
from silmark.training.timing import Timing, components, timing

MEASURED = {
    "nvidia-a100-sxm4-40gb": ("foundry",),
    "nvidia-a100-sxm4-80gb": ("foundry", "megatron"),
    "nvidia-h100-sxm5-80gb": ("foundry",),
    "google-tpu-v3": ("levanter",),
    "google-tpu-v5e": ("maxtext",),
    "google-tpu-v5p": ("maxtext",),
}
"""Chips whose training rows set coefficients, and the stacks that ran there; other pairs have the error bars of a chip
left out."""
_UNKNOWN = 2.0
"""Factor either way for families without any training row."""
_MATTERS = 0.1
_NARROW = 0.1


@dataclass(frozen=True)
class TrainingEstimate:
    """One optimizer step of a job on its chips.

    Attributes:
        timing: seconds by cause, of the middle.
        step_s: seconds of the step.
        memory: bytes on the fullest chip; None where weights stream by.
        grade: worst grade of what the interval is made of.
        notes: what a reader must know.
    """

    model: Model
    target: Target
    job: Job
    timing: Timing
    step_s: Interval
    memory: Memory | None
    grade: Grade
    figures: dict[str, Figure]
    notes: tuple[str, ...] = ()

    @cached_property
    def tokens_per_s(self) -> Interval:
        """Of the whole job."""
        return self.step_s.inverse(self.job.tokens)

    @property
    def tokens_per_s_chip(self) -> Interval:
        """Per chip."""
        return self.tokens_per_s.scaled(1 / self.job.chips)

    @property
    def flops_chip(self) -> Interval:
        """Model FLOP/s per chip."""
        return self.tokens_per_s_chip.scaled(per_token(self.model, self.job.seq))

    @property
    def mfu(self) -> Interval:
        """Model FLOPs utilisation (PaLM, arXiv:2204.02311, appendix B)."""
        return self.flops_chip.scaled(1 / self.target.chip.si(f"peak.{self.job.precision.compute}"))

    @property
    def hfu(self) -> Interval:
        """Hardware FLOPs utilisation: recomputation counted."""
        return self.mfu.scaled(hardware_per_token(self.model, self.job) / per_token(self.model, self.job.seq))

    @cached_property
    def power_w(self) -> Interval:
        """Mean power of the job's chips and their hosts."""
        return power(self.target, self.job.chips, self.timing)

    @property
    def joules_per_token(self) -> Interval:
        """Energy of the machines per token; power and time are taken as independent."""
        return per_item(self.power_w, self.tokens_per_s)

    @property
    def bound_by(self) -> str:
        """The largest part of the step."""
        return self.timing.bound_by()

    def sources(self) -> list[str]:
        """Keys of all sources behind the numbers, sorted."""
        return sorted({figure.source for figure in {**self.figures, **power_figures(self.target)}.values()})

    def as_dict(self) -> dict[str, Any]:
        """The numbers in SI units, as in the JSON answer."""
        need = self.memory
        held = None
        if need is not None:
            held = {
                n: float(getattr(need, n)) for n in ("weights", "gradients", "optimizer", "activations", "capacity")
            }
        return {
            "step_s": self.step_s.as_dict(),
            "tokens_per_s": self.tokens_per_s.as_dict(),
            "tokens_per_s_chip": self.tokens_per_s_chip.as_dict(),
            "flops_chip": self.flops_chip.as_dict(),
            "mfu": self.mfu.as_dict(),
            "hfu": self.hfu.as_dict(),
            "power_w": self.power_w.as_dict(),
            "joules_per_token": self.joules_per_token.as_dict(),
            "parts_s": self.timing.parts,
            "memory_bytes": held,
            "bound_by": self.bound_by,
            "grade": str(self.grade),
            "sources": self.sources(),
            "notes": list(self.notes),
        }


def train(model: Model, target: Target, job: Job, check_memory: bool = True) -> TrainingEstimate | Infeasible:
    """Estimates one optimizer step.

    Args:
        model: a decoder.
        target: at least the job's chips.
        job: the cut and the batch.
        check_memory: whether a job that does not fit is refused; a measured row did fit.
    """
    chip = target.chip
    never = cannot(model, chip, job.precision)
    if never is not None:
        return never
    if chip.family == "wafer":
        return _wafer(model, target, job)
    need = memory(model, chip, job, layers_keep(model, job))
    missing = too_much(model, job, chip, need) if check_memory else None
    if missing is not None:
        return missing
    mechanism = build(chip, job.precision, place(chip))
    result = timing(components(model, target, mechanism, job), factors(model, chip, job))
    used = {f"calibration.training.{key}": figure for key, figure in figures(job, chip, model).items()}
    used |= mechanism.used | {"software.maturity": chip.figure("software.maturity")} | _links(target, job)
    base, known = _residual(chip, job)
    used["calibration.training.residual"] = base
    below, above, grade = _widths(mechanism, target, result, used, base)
    notes = () if known else ("no training of this family was ever measured in the open: the interval is a guess",)
    step = Interval.around(float(result.total), below, above)
    return TrainingEstimate(model, target, job, result, step, need, grade, used, notes)


def cannot(model: Model, chip: Chip, precision: Precision) -> Infeasible | None:
    """Why no job of this model trains on this chip, whatever its cut; None if some may."""
    if model.kind != "decoder":
        return Infeasible(
            f"training is modelled for language models that predict tokens; {model.name} is a {model.kind}"
        )
    if "training" in chip.cannot:
        return Infeasible(f"cannot train: {chip.cannot['training']}")
    reason = refusal(chip, probe(model), precision)
    return None if reason is None else Infeasible(reason)


def factors(model: Model, chip: Chip, job: Job) -> dict[str, float]:
    """What the software makes of the parts: its stack's coefficients over the chip's maturity."""
    found = effective(values(), job, chip, model)
    for name in ("matrix", "experts", "attention", "stream"):
        found[name] /= chip.figure("software.maturity").value
    return found


def place(chip: Chip) -> Placement:
    """Where a chip keeps parameters and activations while it trains."""
    tier = "main" if "memory.main.capacity" in chip.figures else "sram"
    return Placement("main", "main") if tier == "main" else Placement("sram", "sram")


def _wafer(model: Model, target: Target, job: Job) -> TrainingEstimate | Infeasible:
    if job.tp * job.pp * job.cp > 1:
        return Infeasible(
            "a wafer trains data parallel only: weights stream through every machine (tp, pp and cp are 1)"
        )
    result, _ = streamed.streamed(model, target, job)
    least = max(streamed.bounds(model, target, job))
    mid = max(float(result.total), least)
    used = dict(streamed.machine(target.chip, job).used)
    if "link.host.bandwidth" in target.chip.figures:
        used["link.host.bandwidth"] = target.chip.figure("link.host.bandwidth")
    step = Interval(least, mid, streamed.SLOWEST * mid)
    note = "weights stream past the wafer: the low end is the larger of stream and peak arithmetic; no MFU is published"
    return TrainingEstimate(model, target, job, result, step, None, Grade.ASSUMED, used, (note,))


def _residual(chip: Chip, job: Job) -> tuple[Figure, bool]:
    """Measured over predicted time of the nearest class, and whether it is one of the chip's family."""
    table = coefficients.load("training")
    which = "seen" if job.stack in MEASURED.get(chip.id, ()) else "unseen"
    name = f"residual.{chip.family}_{which}"
    if name in table:
        return table[name], True
    widest = table["residual.systolic_unseen"]
    low, high = widest.low / _UNKNOWN, widest.high * _UNKNOWN
    return Figure(name, widest.value, low, high, "1", "silmark-assumption", Grade.ASSUMED), False


def _links(target: Target, job: Job) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    if job.chips > 1:
        found |= target.figures("up")
    if target.units > 1:
        found |= target.figures("out")
    return found


def _widths(
    mechanism: AbstractMechanism, target: Target, result: Timing, used: dict[str, Figure], base: Figure
) -> tuple[float, float, Grade]:
    """Widths of the step's logarithm below and above, and the worst grade that they hold.

    The class's residuals hold the errors of datasheet figures and of what was fitted; a figure joins where it is
    wider than those, weighed with the share of the step that it sets, one per part of the step.
    """
    low, high = [math.log(1 / min(1.0, base.low))], [math.log(max(1.0, base.high))]
    grades = [Grade.DERIVED, base.grade]
    share = {name: seconds / float(result.total) for name, seconds in result.parts.items()}
    matrix = share["matrix"] + share["experts"]
    compute = matrix + share["attention"]
    links = {key for key in used if key.startswith(("system.scale_", "link.scale_", "assumed.scale_"))}
    sets = (
        (matrix, mechanism.bounds.get("compute", set())),
        (share["stream"] + share["optimizer"], mechanism.bounds.get("memory", set())),
        (share["replica_link"] + share["tensor_link"] + share["bubble"] / 2, links),
        (compute + share["stream"], {"software.maturity"}),
    )
    for part, keys in sets:
        joining = [used[key] for key in keys if key in used and _joins(target.chip, key, used[key])]
        if joining and part > 0:
            low.append(part * min(1.0, max(f.log_high for f in joining)))
            high.append(part * min(1.0, max(f.log_low for f in joining)))
            grades += [figure.grade for figure in joining if part > _MATTERS]
    for part, key, below, above in _assumed(target.chip, share, used):
        low.append(part * below)
        high.append(part * above)
        grades += [used[key].grade] if part * max(below, above) > _NARROW / 2 else []
    return quadrature(low), quadrature(high), max(grades)


def _assumed(chip: Chip, share: dict[str, float], used: dict[str, Figure]) -> Iterator[tuple[float, str, float, float]]:
    """(share of the step, key, widths of its logarithm) of coefficients that no row told."""
    prefix = "calibration.training."
    if (key := f"{prefix}compiled.stream") in used:
        yield share["stream"], key, used[key].log_low, used[key].log_high
    if (key := f"{prefix}async_tp.exchange") in used:
        shown = 1.0 - used[key].value
        yield share["tensor_link"], key, 1.0 - (1.0 - used[key].high) / shown, (1.0 - used[key].low) / shown - 1.0
    if (key := f"{prefix}power.exponent") in used:
        exponent, slower = used[key], -math.log(powered(chip))
        part = share["matrix"] + share["experts"] + share["attention"]
        yield part, key, slower * (exponent.value - exponent.low), slower * (exponent.high - exponent.value)


def _joins(chip: Chip, key: str, figure: Figure) -> bool:
    """Whether a figure is more uncertain than those of the class; fitted parameters of the mechanisms never are."""
    if key.startswith("calibration.") or chip.id in MEASURED:
        return False
    return max(figure.log_low, figure.log_high) > _NARROW
