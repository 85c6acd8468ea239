"""The columns of a sweep's tables: name, type and meaning; SI units, dollars per million tokens.

Points are steady states, or traces sent to a simulated server where the grid has a `[serving]` section: some columns
belong to one kind only.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Type = Literal["text", "whole", "number"]
Kind = Literal["both", "steady", "served"]
"""Of which points."""


class Column(NamedTuple):
    """One column."""

    type: Type
    meaning: str
    kind: Kind = "both"


COLUMNS: dict[str, Column] = {
    "point": Column("whole", "number of the point in the grid, from 0"),
    "model": Column("text", "as the grid names it"),
    "on": Column("text", "as the grid names it"),
    "chip": Column("text", "id of the chip"),
    "precision": Column("text", "weights:compute:kv formats, one word where they agree"),
    "maturity": Column("text", "own or equal"),
    "attention": Column("text", "how tp chips divide the cache: heads or batch", "steady"),
    "weights_in": Column("text", "memory tier of the weights", "steady"),
    "kv_in": Column("text", "memory tier of the cache", "steady"),
    "tp": Column("whole", "chips that share every layer"),
    "cp": Column("whole", "groups of tp chips that divide the tokens of every sequence", "steady"),
    "pp": Column("whole", "consecutive groups of layers"),
    "ep": Column("whole", "parts that the experts are divided into"),
    "dp": Column("whole", "replicas"),
    "chunk": Column("whole", "most prompt tokens of one pass; null for whole prompts", "steady"),
    "chips": Column("whole", "chips of the plan"),
    "batch": Column("whole", "sequences in flight on the whole system", "steady"),
    "prompt": Column("whole", "tokens of a prompt", "steady"),
    "output": Column("whole", "tokens of an answer", "steady"),
    "policy": Column("text", "whose scheduler: vllm, sglang or trtllm", "served"),
    "rate_per_s": Column("number", "requests sent per second; null for the trace's own", "served"),
    "status": Column("text", "ok, infeasible (does not fit) or cannot-run (an operator or format that is lacking)"),
    "reason": Column("text", "why not ok"),
    "ttft_s": Column("number", "time to the first token", "steady"),
    "tpot_s": Column("number", "time per output token of one sequence", "steady"),
    "tpot_s_low": Column("number", "its 80 % interval", "steady"),
    "tpot_s_high": Column("number", "its 80 % interval", "steady"),
    "itl_max_s": Column("number", "longest time between two tokens of a sequence", "steady"),
    "requests": Column("whole", "answered requests", "served"),
    "requests_per_s": Column("number", "answered per second", "served"),
    "goodput_requests_per_s": Column("number", "of these, those that keep every promise", "served"),
    "slo_kept": Column("whole", "1 if the percentiles of the promises hold, else 0; null without promises", "served"),
    "ttft_s_mean": Column("number", "time to the first token, mean", "served"),
    "ttft_s_p50": Column("number", "time to the first token, p50", "served"),
    "ttft_s_p90": Column("number", "time to the first token, p90", "served"),
    "ttft_s_p99": Column("number", "time to the first token, p99", "served"),
    "tpot_s_mean": Column("number", "time per output token, mean", "served"),
    "tpot_s_p50": Column("number", "time per output token, p50", "served"),
    "tpot_s_p90": Column("number", "time per output token, p90", "served"),
    "tpot_s_p99": Column("number", "time per output token, p99", "served"),
    "itl_s_mean": Column("number", "gap between tokens, mean", "served"),
    "itl_s_p50": Column("number", "gap between tokens, p50", "served"),
    "itl_s_p90": Column("number", "gap between tokens, p90", "served"),
    "itl_s_p99": Column("number", "gap between tokens, p99", "served"),
    "e2el_s_mean": Column("number", "time to the last token, mean", "served"),
    "e2el_s_p50": Column("number", "time to the last token, p50", "served"),
    "e2el_s_p90": Column("number", "time to the last token, p90", "served"),
    "e2el_s_p99": Column("number", "time to the last token, p99", "served"),
    "kv_usage_max": Column("number", "largest share of the KV blocks in use", "served"),
    "preemptions": Column("whole", "of all requests", "served"),
    "tokens_per_s": Column("number", "output tokens per second of the whole system"),
    "tokens_per_s_low": Column("number", "its 80 % interval", "steady"),
    "tokens_per_s_high": Column("number", "its 80 % interval", "steady"),
    "tokens_per_s_user": Column("number", "1 / tpot_s", "steady"),
    "tokens_per_s_chip": Column("number", "tokens_per_s / chips"),
    "power_w": Column("number", "whole system, hosts included"),
    "joules_per_token": Column("number", "power over rate"),
    "usd_per_mtok": Column("number", "dollars per million output tokens; null where no price is public"),
    "batch_max": Column("whole", "most sequences that the memory holds", "steady"),
    "bound_by": Column("text", "resource that takes the largest share of a decode step", "steady"),
    "grade": Column("text", "worst grade of the evidence that matters", "steady"),
}
"""In the order of the table. What a point has no value for is null."""


def columns_of(kind: Kind) -> tuple[str, ...]:
    """Columns of one kind of points, in the order of the table."""
    return tuple(name for name, column in COLUMNS.items() if column.kind in ("both", kind))
