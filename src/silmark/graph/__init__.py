"""What must be computed, chip-free: operators whose token counts are numpy arrays."""

from silmark.graph.count import Count, count
from silmark.graph.op import (
    Array,
    Attention,
    Boundary,
    Collective,
    Conv,
    Elementwise,
    Experts,
    Gemm,
    Gibbs,
    Graph,
    Op,
    Scan,
)

__all__ = [
    "Array",
    "Attention",
    "Boundary",
    "Collective",
    "Conv",
    "Count",
    "Elementwise",
    "Experts",
    "Gemm",
    "Gibbs",
    "Graph",
    "Op",
    "Scan",
    "count",
]
