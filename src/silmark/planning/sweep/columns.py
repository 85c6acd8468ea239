"""The columns of a sweep's table: name, type and meaning; SI units, dollars per million tokens."""

from __future__ import annotations

from typing import Literal, NamedTuple

Type = Literal["text", "whole", "number"]


class Column(NamedTuple):
    """One column."""

    type: Type
    meaning: str


COLUMNS: dict[str, Column] = {
    "point": Column("whole", "number of the point in the grid, from 0"),
    "model": Column("text", "as the grid names it"),
    "on": Column("text", "as the grid names it"),
    "chip": Column("text", "id of the chip"),
    "precision": Column("text", "weights:compute:kv formats, one word where they agree"),
    "maturity": Column("text", "own or equal"),
    "attention": Column("text", "how tp chips divide the cache: heads or batch"),
    "weights_in": Column("text", "memory tier of the weights"),
    "kv_in": Column("text", "memory tier of the cache"),
    "tp": Column("whole", "chips that share every layer"),
    "cp": Column("whole", "groups of tp chips that divide the tokens of every sequence"),
    "pp": Column("whole", "consecutive groups of layers"),
    "ep": Column("whole", "parts that the experts are divided into"),
    "dp": Column("whole", "replicas"),
    "chunk": Column("whole", "most prompt tokens of one pass; null for whole prompts"),
    "chips": Column("whole", "chips of the plan"),
    "batch": Column("whole", "sequences in flight on the whole system"),
    "prompt": Column("whole", "tokens of a prompt"),
    "output": Column("whole", "tokens of an answer"),
    "status": Column("text", "ok, infeasible (does not fit) or cannot-run (an operator or format that is lacking)"),
    "reason": Column("text", "why not ok"),
    "ttft_s": Column("number", "time to the first token"),
    "tpot_s": Column("number", "time per output token of one sequence"),
    "tpot_s_low": Column("number", "its 80 % interval"),
    "tpot_s_high": Column("number", "its 80 % interval"),
    "itl_max_s": Column("number", "longest time between two tokens of a sequence"),
    "tokens_per_s": Column("number", "output tokens per second of the whole system"),
    "tokens_per_s_low": Column("number", "its 80 % interval"),
    "tokens_per_s_high": Column("number", "its 80 % interval"),
    "tokens_per_s_user": Column("number", "1 / tpot_s"),
    "tokens_per_s_chip": Column("number", "tokens_per_s / chips"),
    "power_w": Column("number", "whole system, hosts included"),
    "joules_per_token": Column("number", "power over rate"),
    "usd_per_mtok": Column("number", "dollars per million output tokens; null where no price is public"),
    "batch_max": Column("whole", "most sequences that the memory holds"),
    "bound_by": Column("text", "resource that takes the largest share of a decode step"),
    "grade": Column("text", "worst grade of the evidence that matters"),
}
"""In the order of the table. What a point has no value for is null."""
