"""What a chip runs, how, and what it cannot: operators its architecture lacks, formats it does not multiply."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from silmark.chips import Chip
from silmark.chips.mechanisms import family
from silmark.chips.ways import FEATURES, Way, of_family
from silmark.figures import Grade
from silmark.formats import FORMATS, Precision
from silmark.graph import Attention, Boundary, Conv, Graph, Op, Scan
from silmark.models import Model
from silmark.workloads import Step

By = Literal["native", "fallback", "cannot"]
ORDER: tuple[By, ...] = ("native", "fallback", "cannot")
"""From good to bad: a model is supported as its worst operator is."""


@lru_cache(maxsize=64)
def probe(model: Model) -> Graph:
    """A small step of the model that holds every kind of operator it needs."""
    return model.lower(Step.decode(1, 1) if model.kind == "decoder" else Step.forward(1))


def refusal(chip: Chip, graph: Graph, precision: Precision) -> str | None:
    """Why the chip cannot run this graph in this precision, or None if it can.

    The most telling operator that it cannot run is named, with the reason from its file.
    """
    for op in sorted(graph, key=lambda op: list(_WORDS).index(op.kind) if op.kind in _WORDS else len(_WORDS)):
        reason = lacks(chip, op)
        if reason is not None:
            return f"cannot run: {_WORDS.get(op.kind, op.kind)} ({op.name}): {reason}"
    if chip.formats and precision.compute not in chip.formats:  # a sampler has none
        wide = next((name for name in ("bf16", "fp16") if name in chip.formats), "")
        advice = f"; for weights alone ask for {precision.weights}:{wide}" if wide else ""
        return f"cannot run: {precision.compute} matrix products; it multiplies {', '.join(chip.formats)}{advice}"
    return None


def lacks(chip: Chip, op: Op) -> str | None:
    """Why the chip cannot run an operator, from its own file or its family; None if it can."""
    if op.kind in chip.cannot:
        return chip.cannot[op.kind]
    if op.kind not in family(chip.family).runs and not isinstance(op, Boundary):
        return f"no {chip.family} machine runs it"
    return None


def feature(op: Op) -> str:
    """What an operator asks of a chip: its kind, or the special case of it that chips run differently."""
    match op:
        case Attention() if op.scores_only:
            return "indexer"
        case Attention() if op.selected is not None:
            return "sparse-attention"
        case Attention() if op.kv_heads == 1 and op.qk_dim > op.v_dim:  # MLA as absorbed: latent and rope as one key
            return "latent-attention"
        case Attention() if op.window is not None:
            return "window"
        case Conv() if op.groups > 1:
            return "grouped-conv"
        case Scan() if op.chunk <= 1:
            return "recurrence"
        case Scan() if op.delta:
            return "delta-rule"
        case _:
            return op.kind


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a chip runs an operator: the way, or the reason why it has none."""

    by: By
    way: Way | None = None
    reason: str = ""


def verdict(chip: Chip, op: Op) -> Verdict:
    """How the chip runs an operator; the special case's own way first, then that of its kind.

    What its family does is an assumption where the source is about other chips, or nothing of it ran in public.
    """
    reason = lacks(chip, op)
    if reason is not None:
        return Verdict("cannot", reason=reason)
    asked = feature(op)
    usual = of_family(chip.family).runs
    for key in (asked, FEATURES[asked]):
        if key in chip.support:
            own = chip.support[key]
            return Verdict("fallback" if own.by == "fallback" else "native", own)
        if key in usual:
            way = usual[key].on_chip(chip.id, chip.generation, chip.evidence)
            return Verdict("fallback" if way.by == "fallback" else "native", way)
    raise KeyError(f"data/support/{chip.family}.toml has no {asked}")


@dataclass(frozen=True, slots=True)
class FormatUse:
    """What a chip does with a number format.

    Attributes:
        name: the format.
        use: "computes" (multiplies it), "converts" (multiplies it, widened by the hardware), "stores" (weights only,
            widened on the fly), "no".
        rate: matrix peak in it relative to the chip's default format; None where it is not multiplied.
        how, source, grade: the evidence; of a multiplied format that of its peak.
    """

    name: str
    use: Literal["computes", "converts", "stores", "no"]
    rate: float | None
    how: str
    source: str
    grade: Grade


def formats_of(chip: Chip) -> tuple[FormatUse, ...]:
    """Every number format on one chip."""
    return tuple(format_of(chip, name) for name in FORMATS)


def format_of(chip: Chip, name: str, compute: str = "") -> FormatUse:
    """One number format on one chip; what is only stored is multiplied in `compute`, else in the chip's default."""
    own = chip.support.get(name)
    if name in chip.formats:
        peak = chip.figure(f"peak.{name}")
        rate = peak.value / chip.si(f"peak.{chip.precision}")
        if own is not None and own.by == "converted":
            return FormatUse(name, "converts", rate, own.how, own.source, own.grade)
        return FormatUse(name, "computes", rate, peak.note, peak.source, peak.grade)
    usual = of_family(chip.family).stores.get(name)
    way = own or (usual.on_chip(chip.id, chip.generation, chip.evidence) if usual else None)
    wider = [f for f in chip.formats if FORMATS[f].bits > FORMATS[name].bits]
    if way is not None and wider:
        usually = compute or chip.precision
        into = usually if usually in wider else min(wider, key=lambda f: FORMATS[f].bits)
        return FormatUse(name, "stores", None, f"{way.how}; multiplied as {into}", way.source, way.grade)
    return FormatUse(name, "no", None, "", "", Grade.ASSUMED)


_WORDS = {
    "scan": "state-space scan",
    "conv": "convolution",
    "gibbs": "Gibbs sampling",
    "attention": "attention",
    "experts": "routed experts",
    "gemm": "matrix product",
    "elementwise": "element-wise operators",
}
"""What to call an operator kind; the most telling first."""
