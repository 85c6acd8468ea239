"""Fused routed experts: tokens, widths, experts and how they are cut (aiconfigurator).

A row is one rank: it holds `num_experts / moe_ep_size` experts of `inter_size / moe_tp_size`, and its share of the
tokens' choices. With a skewed distribution the time is the slowest rank's.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms.gpu_experts import Routing
from silmark.chips.mechanisms.gpu_routing import balanced, skewed
from silmark.errors import UnknownName
from silmark.graph import Array, Experts
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, seconds

COLUMNS = frozenset(
    {"system", "engine", "moe_dtype", "num_tokens", "hidden_size", "inter_size", "topk", "num_experts"}
    | {"moe_tp_size", "moe_ep_size", "distribution", "kernel_source"}
)

_MOST = 8192
"""More experts in one layer are taken for an error."""
_EXPONENT = re.compile(r"[0-9](\.[0-9]{1,3})?")


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
        spread = routing(distribution, tokens[rows], count[rows], chosen[rows], ranks[rows])
        took = seconds(chip, alias("precisions", dtype), op, f"{engine}:{dtype}:{kernel}", routing=spread)
        return chip, f"experts/{cut}/{distribution}/{engine}/{dtype}/{kernel}", took

    keys = ("system", "engine", "moe_dtype", "kernel_source", "distribution", "moe_ep_size")
    return by_group(table, keys, group)


def routing(distribution: str, tokens: Array, experts: Array, top_k: Array, ranks: Array) -> Routing:
    """Where tokens went; rows whose experts do not divide among the ranks get no number."""
    name, _, exponent = distribution.rpartition("_")
    skewed_by = _EXPONENT.fullmatch(exponent) if name == "power_law" else None
    if distribution != "balanced" and (skewed_by is None or float(exponent) == 1.0):
        raise UnknownName("distribution", distribution, ("balanced", "power_law_1.2"))
    with np.errstate(invalid="ignore"):
        known = (ranks >= 1) & (experts <= _MOST) & (experts % ranks == 0) & (tokens > 0) & (top_k > 0)
    tokens, experts, top_k, ranks = (column[known] for column in (tokens, experts, top_k, ranks))
    if skewed_by and known.any():
        found = skewed(tokens, experts, top_k, ranks, float(exponent))
    else:
        found = balanced(tokens, experts, top_k, ranks)
    return Routing(*(_spread(part, known) for part in (found.pairs, found.touched, found.tiles, found.walked)))


def _spread(part: Array, known: NDArray[np.bool_]) -> Array:
    """Columns of known rows, NaN in the others."""
    whole = np.full((*part.shape[:-1], known.size), np.nan)
    whole[..., known] = part
    return whole
