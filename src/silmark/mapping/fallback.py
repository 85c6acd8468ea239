"""What operators cost on a chip that runs them by fallback: their time there, against the chip's own peaks.

Every operator of a reference step is priced by the chip's mechanism, on one chip, whether or not the model fits it.
Beside it stands what its operations would take at the matrix peak (element-wise and sampling ones: at the peak of the
vector units) or its bytes at the bandwidth of the memory that holds them, whichever is longer. No machine reaches
that, so the ratio bounds from above what a fallback loses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from silmark.chips import Chip
from silmark.chips.mechanisms import AbstractMechanism, Placement, build
from silmark.figures import Grade
from silmark.formats import Precision
from silmark.graph import Boundary, Experts, Gemm, Graph, Op, Scan, count
from silmark.mapping.candidates import placements
from silmark.mapping.support import ORDER, By, FormatUse, Verdict, feature, format_of, lacks, refusal, verdict
from silmark.models import Model
from silmark.workloads import Step

ENCODED = 128
"""Tokens of a text of the reference step of an encoder."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Shapes of the reference step.

    Attributes:
        context: tokens of the prompt, and of the cache that a decoding sequence has.
        batch: decoding sequences, images, texts or samples.
    """

    context: int = 2048
    batch: int = 32


@lru_cache(maxsize=64)
def graphs_of(model: Model, reference: Reference) -> dict[str, Graph]:
    """Operators by phase: a prompt and a decode step, or one pass."""
    if model.kind == "decoder":
        decode = Step.decode(reference.batch, reference.context)
        return {"prefill": model.lower(Step.prefill(1, reference.context)), "decode": model.lower(decode)}
    tokens = ENCODED if model.kind == "encoder" else 1
    return {"forward": model.lower(Step.forward(reference.batch, tokens))}


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of some operators in one phase: as the mechanism says, and at the chip's peaks."""

    time_s: float
    peak_s: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.time_s + other.time_s, self.peak_s + other.peak_s)


@dataclass(frozen=True, slots=True)
class Use:
    """How the chip runs all operators of one feature that it runs the same way.

    Attributes:
        feature: what they ask for.
        names: of the operators.
        verdict: how it runs them.
        spent: by phase; None where the chip, or the format asked for, cannot run them.
    """

    feature: str
    names: tuple[str, ...]
    verdict: Verdict
    spent: Mapping[str, Spent | None]


@dataclass(frozen=True, slots=True)
class Support:
    """One chip's answer for one model.

    Attributes:
        chip: the chip.
        precision: formats that were asked for.
        by: as the worst operator is run.
        reason: why it cannot.
        uses: operators, those that cannot run first, then fallbacks.
        total_s: seconds of the whole step by phase; None where an operator cannot run.
    """

    chip: Chip
    precision: Precision
    by: By
    reason: str
    uses: tuple[Use, ...]
    total_s: Mapping[str, float | None]

    @property
    def loss(self) -> dict[str, float | None]:
        """By phase: at most how many times longer the step takes than if its fallbacks ran at the chip's peaks."""
        found: dict[str, float | None] = {}
        for phase, total in self.total_s.items():
            slow = [use.spent.get(phase) for use in self.uses if use.verdict.by == "fallback"]
            lost = sum(max(0.0, one.time_s - one.peak_s) for one in slow if one is not None)
            found[phase] = None if total is None else total / max(total - lost, total * 1e-6) if total else 1.0
        return found

    @property
    def most(self) -> float | None:
        """The worst loss of any phase; None where it cannot run."""
        known = [loss for loss in self.loss.values() if loss is not None]
        return max(known) if known else None

    @property
    def weights(self) -> FormatUse:
        """What the chip is known to do with weights of the format asked for."""
        return format_of(self.chip, self.precision.weights, self.precision.compute)

    @property
    def rank(self) -> int:
        """0 for native, then fallback, then cannot."""
        return ORDER.index(self.by)

    @property
    def grade(self) -> Grade | None:
        """The worst evidence among the ways of its operators; None where it cannot run."""
        ways = [use.verdict.way for use in self.uses if use.verdict.way is not None]
        return None if self.by == "cannot" else max(way.grade for way in ways)


def supported(model: Model, chip: Chip, precision: Precision, reference: Reference) -> Support:
    """How a chip runs a model, operator by operator."""
    graphs = graphs_of(model, reference)
    graph = next(reversed(graphs.values()))
    reason = refusal(chip, graph, precision)
    mechanism = _mechanism(chip, precision, model)
    if mechanism is not None and reason is None:
        reason = next((f"cannot run: {why}" for why in map(mechanism.refuses, graph) if why), None)
    total = dict.fromkeys(graphs, 0.0)
    grouped: dict[tuple[str, str], list[_Priced]] = {}
    for phase, ops in graphs.items():
        for op in ops:
            spent = _spent(op, chip, mechanism)
            total[phase] += spent.time_s if spent is not None else 0.0
            if not isinstance(op, Boundary):
                found = verdict(chip, op)
                grouped.setdefault((feature(op), found.by), []).append(_Priced(phase, op.name, found, spent))
    uses = [_joined(asked, priced) for (asked, _), priced in grouped.items()]
    uses.sort(key=lambda use: -ORDER.index(use.verdict.by))
    worst: By = "cannot" if reason else uses[0].verdict.by
    seconds = {phase: None if reason else one for phase, one in total.items()}
    return Support(chip, precision, worst, reason or "", tuple(uses), seconds)


@dataclass(frozen=True, slots=True)
class _Priced:
    """One operator of one phase."""

    phase: str
    name: str
    verdict: Verdict
    spent: Spent | None


@lru_cache(maxsize=256)
def _built(chip: Chip, precision: Precision, placement: Placement) -> AbstractMechanism:
    return build(chip, precision, placement)


def _mechanism(chip: Chip, precision: Precision, model: Model) -> AbstractMechanism | None:
    """The chip's mechanism with the fastest placement; None for a format that it does not multiply."""
    if "gemm" in chip.cannot:  # a sampler: it has no memory for weights, and no format
        return _built(chip, precision, Placement())
    return _built(chip, precision, placements(chip, model.kind)[0]) if precision.compute in chip.formats else None


def _spent(op: Op, chip: Chip, mechanism: AbstractMechanism | None) -> Spent | None:
    """Seconds of an operator; None where the chip, or its format, cannot run it."""
    if mechanism is None or lacks(chip, op) is not None or mechanism.refuses(op):
        return None
    return Spent(float(mechanism.cost(op).time_s), peak_s(op, chip, mechanism))


def _joined(asked: str, priced: list[_Priced]) -> Use:
    """Operators of one feature that run the same way."""
    spent: dict[str, Spent | None] = {}
    for one in priced:
        before = spent.get(one.phase, Spent(0.0, 0.0))
        spent[one.phase] = None if before is None or one.spent is None else before + one.spent
    return Use(asked, tuple(dict.fromkeys(one.name for one in priced)), priced[0].verdict, spent)


def peak_s(op: Op, chip: Chip, mechanism: AbstractMechanism) -> float:
    """Seconds of an operator at the peaks of the part of the chip that a layer has (a wafer's region)."""
    counted, precision = count(op), mechanism.precision
    matrix = chip.si(f"peak.{precision.compute}", 0.0)
    vector = chip.si("peak.vector", 0.0) or matrix
    peak = vector if op.kind in ("elementwise", "gibbs") else matrix
    bits = op.weight_bits if isinstance(op, Gemm | Experts) else None
    moved = float(counted.weights) * (precision.weight_bytes if bits is None else bits / 8.0)
    moved += float(counted.kv) * precision.kv_bytes
    if isinstance(op, Scan):  # its state is read and written
        moved += 2.0 * op.count * op.elements * op.state_bytes(precision.activation_bytes) * float(op.seqs)
    tier = mechanism.placement.weights
    bandwidth = chip.si(f"memory.{tier}.bandwidth", 0.0) or chip.si("memory.sram.bandwidth", 0.0)
    compute = float(counted.flops) / peak if peak else 0.0
    memory = moved / bandwidth if bandwidth else 0.0
    return max(compute, memory) * mechanism.regions()
