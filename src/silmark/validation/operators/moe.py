"""Fused routed experts: tokens, widths, experts and how they are cut (aiconfigurator).

A row is one rank: it holds `num_experts / moe_ep_size` experts of `inter_size / moe_tp_size`, and its share of the
tokens' choices. With a skewed distribution the time is the slowest rank's.
"""

from __future__ import annotations

from silmark.graph import Array, Experts
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, seconds

COLUMNS = frozenset(
    {"system", "engine", "moe_dtype", "num_tokens", "hidden_size", "inter_size", "topk", "num_experts"}
    | {"moe_tp_size", "moe_ep_size", "distribution", "kernel_source"}
)


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    tokens, hidden, inner = (table.number(name) for name in ("num_tokens", "hidden_size", "inter_size"))
    ways, ranks = table.number("moe_tp_size"), table.number("moe_ep_size")
    count, chosen = table.number("num_experts"), table.number("topk")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        system, engine, dtype, kernel, distribution, parts = key
        chip = alias("hardware", system)
        op = Experts(
            name="row",
            m=tokens[rows],
            experts=count[rows] / ranks[rows],  # type: ignore[arg-type]
            top_k=chosen[rows] / ranks[rows],  # type: ignore[arg-type]
            hidden=hidden[rows],  # type: ignore[arg-type]
            inner=inner[rows] / ways[rows],  # type: ignore[arg-type]
            gated="nongated" not in kernel,
        )
        cut = "whole" if parts == "1" else "cut"
        took = seconds(chip, alias("precisions", dtype), op)
        return chip, f"experts/{cut}/{distribution}/{engine}/{dtype}/{kernel}", took

    keys = ("system", "engine", "moe_dtype", "kernel_source", "distribution", "moe_ep_size")
    return by_group(table, keys, group)
