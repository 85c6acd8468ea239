"""Fits the streaming family's seam of a layer on four published decoding speeds of GroqChip 1 deployments.

A token spends 24 to 65 us per layer on them, of which the schedule's known parts (weights over the stream
registers of the eight chips of a node, two all-reduces of the node, vector work) explain a fifth. The rest is
one number per layer here: the median, in logarithms, of what the four speeds leave unexplained. Models and
deployments differ (2023-12 to 2024-04, 1 measured, 3 said by the vendor), nothing published tells their
causes apart, and one number for all is the honest choice: interval = smallest to largest of the four.
"""

from __future__ import annotations

import numpy as np

from silmark.calibration import points
from silmark.chips import catalog
from silmark.chips.mechanisms.base import Placement, Resource
from silmark.chips.mechanisms.streaming import Streaming
from silmark.figures.tables import data_folder
from silmark.formats import Precision
from silmark.graph import Attention, Boundary, Elementwise, Experts, Gemm, Graph

CHIP = "groq-groqchip-1"
NODE = 8
"""Chips of a node, among which a layer is divided."""
ALL_REDUCE = 2.1e-6
"""Seconds of an all-reduce among the eight chips of a node (Abts et al., ISCA 2022)."""


class Bare(Streaming):
    """The mechanism without fitted seams."""

    def coefficient(self, key: str, *bounds: Resource) -> float:
        """Coefficients that the fit leaves as they are, and no exchange time."""
        if key == "layer.exchange":
            return 0.0
        return float(_FIXED[key]["value"])


def layer(row: dict[str, str], chips: int) -> Graph:
    """Operators of one layer that decodes one token, divided among the chips of a node."""
    hidden, inner, context = int(row["hidden"]), int(row["inner"]), float(row["context"])
    heads, kv_heads, head = int(row["heads"]), int(row["kv_heads"]), int(row["head"])
    one, mine = np.ones(()), max(1, kv_heads // chips)
    qkv = (heads + 2 * kv_heads) * head // chips
    cache = Attention(
        name="attention", seqs=one, new=one, past=np.asarray(context - 1), heads=heads // chips, kv_heads=mine,
        qk_dim=head, v_dim=head, kv_width=2 * mine * head,
    )  # fmt: skip
    if row["experts"]:
        mlp: Graph = (
            Experts(
                name="mlp", m=one, experts=int(row["experts"]), top_k=float(row["top_k"]), hidden=hidden,
                inner=inner // chips,
            ),
        )  # fmt: skip
    else:
        up = Gemm(name="up", m=one, n=2 * inner // chips, k=hidden)
        mlp = (up, Gemm(name="down", m=one, n=hidden, k=inner // chips))
    norms = Elementwise(name="norm", count=2, m=one, read=2 * hidden, write=hidden, flops=8 * hidden)
    act = Elementwise(name="act", m=one, read=2 * inner // chips, write=inner // chips, flops=6 * inner // chips)
    projections = (Gemm(name="qkv", m=one, n=qkv, k=hidden), Gemm(name="out", m=one, n=hidden, k=hidden // chips))
    seam = Boundary(name="layer", scope="layer", m=one, hidden=hidden)
    return (*projections, cache, *mlp, norms, act, seam)


def scheduled(row: dict[str, str], mechanism: Streaming) -> float:
    """Seconds per layer of one token: the mechanism's operators and two all-reduces of the node."""
    return sum(float(mechanism.cost(op).time_s) for op in layer(row, NODE)) + 2 * ALL_REDUCE


def build(row: dict[str, str], kind: type[Streaming]) -> Streaming:
    """The fitted chip in the stored format of a deployment, products in 16 bits where the weights allow it."""
    return kind(catalog.load(CHIP), Precision(row["weights"], "int8", "fp16"), Placement("sram", "sram"))


def unexplained(row: dict[str, str]) -> float:
    """Seconds per layer that a published speed leaves beyond the schedule."""
    return 1.0 / float(row["value"]) / float(row["layers"]) - scheduled(row, build(row, Bare))


def run() -> None:
    """Fits and writes `data/calibration/streaming.toml`."""
    rows = points.read("groq_decode")
    fitted = [row for row in rows if row["use"] == "fit"]
    left = np.asarray([unexplained(row) for row in fitted])
    exchange = float(np.exp(np.median(np.log(left))))
    held = {row["point"]: float(np.exp(np.median(np.log(np.delete(left, i))))) for i, row in enumerate(fitted)}
    ratios, without = {}, {}
    for row in rows:
        base = scheduled(row, build(row, Bare))
        whole = float(row["value"]) * float(row["layers"])
        ratios[row["point"]] = 1.0 / (base + exchange) / whole
        without[row["point"]] = 1.0 / (base + held.get(row["point"], exchange)) / whole
    seam = points.leaf(
        exchange * 1e6, float(left.min()) * 1e6, float(left.max()) * 1e6, "us",
        source="llmperf-groq-2023", grade="derived",
        derived_from="claim:groq-llama-2-7b-750, claim:groq-mixtral-480, claim:groq-llama-3-8b-1300",
        note="slack per layer cut over chips; median of four published speeds in logarithms, interval: smallest and "
        "largest; one measured, three said by the vendor",
    )  # fmt: skip
    points.write(
        data_folder() / "calibration" / "streaming.toml",
        points.head(
            "streaming", "silmark calibrate streaming", "published/groq_decode.csv, the points marked fit", len(fitted)
        ),
        {"layer.exchange": seam, **_FIXED},
        {
            "residuals": {"log_spread": float(np.std(np.log(left), ddof=1)), "median_us": exchange * 1e6},
            "residuals.speed_predicted_over_published": ratios,
            "left_out": without,
        },
    )


_FIXED: dict[str, points.Leaf] = {
    "layer.weights_per_hidden_squared": points.leaf(
        12, 10, 14, "1", source="silmark-assumption", grade="derived",
        note="weights of a dense layer over hidden squared: attention 2.1 to 4, MLP 8 to 10.5 (GPT, LLaMA)",
    ),
    "layer.weight_share_of_sram": points.leaf(
        0.52, 0.4, 0.8, "1", source="semianalysis-groq-2024", grade="derived",
        note="69 GB of int8 weights of Llama-2-70B on 576 chips of 230 MB; the rest holds KV and activations",
    ),
    "attention.softmax_ops": points.leaf(
        5, 4, 8, "1", source="silmark-assumption", grade="derived",
        note="vector operations per score: maximum, difference, exponential, sum, scale",
    ),
    "vector.share_of_matrix": points.leaf(
        0.00625, 0.00625, 0.025, "1", source="groq-isca-2020", grade="derived",
        note="5,120 vector ALUs over 819,200 8-bit operations per cycle; for chips that publish no vector rate",
    ),
}  # fmt: skip
