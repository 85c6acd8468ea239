"""What a chip cannot run: operators its architecture lacks, formats it does not multiply."""

from __future__ import annotations

from functools import lru_cache

from silmark.chips import Chip
from silmark.chips.mechanisms import family
from silmark.formats import Precision
from silmark.graph import Graph
from silmark.models import Model
from silmark.workloads import Step


@lru_cache(maxsize=64)
def probe(model: Model) -> Graph:
    """A small step of the model that holds every kind of operator it needs."""
    return model.lower(Step.decode(1, 1) if model.kind == "decoder" else Step.forward(1))


def refusal(chip: Chip, graph: Graph, precision: Precision) -> str | None:
    """Why the chip cannot run this graph in this precision, or None if it can.

    The most telling operator that it cannot run is named, with the reason from its file.
    """
    runs = family(chip.family).runs
    for op in sorted(graph, key=lambda op: list(_WORDS).index(op.kind) if op.kind in _WORDS else len(_WORDS)):
        if op.kind in chip.cannot:
            return f"cannot run: {_WORDS.get(op.kind, op.kind)} ({op.name}): {chip.cannot[op.kind]}"
        if op.kind not in runs and op.kind != "boundary":
            return f"cannot run: {_WORDS.get(op.kind, op.kind)} ({op.name}): no {chip.family} machine runs it"
    samples = all(op.kind in ("gibbs", "boundary") for op in graph)
    if not samples and precision.compute not in chip.formats:
        wide = next((name for name in ("bf16", "fp16") if name in chip.formats), "")
        advice = f"; for weights alone ask for {precision.compute}:{wide}" if wide else ""
        native = ", ".join(chip.formats) or "none"
        return f"cannot run: {precision.compute} matrix products; it multiplies {native}{advice}"
    return None


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
