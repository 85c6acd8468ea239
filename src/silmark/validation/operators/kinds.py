"""The kinds of operator tables, recognised by their columns. A new one is one file here and one line in KINDS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from silmark.graph import Array
from silmark.validation.operators import (
    attention,
    collectives,
    deepseek,
    gemm,
    infersim,
    llmcompass,
    moe,
    rtx_attention,
    rtx_layers,
    tpu,
    vidur_mlp,
    vidur_network,
)
from silmark.validation.operators.columns import Columns
from silmark.validation.operators.draft import Draft


def _microseconds(table: Columns) -> Array:
    return table.number("time_us") * 1e-6


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of table.

    Attributes:
        name: in reports and in `data/calibration/operators.toml`.
        table: the public table that measures it.
        columns: those that it is recognised by.
        predict: table -> seconds, chips and conditions per row.
        measured: public table -> seconds per row, NaN where none is given.
    """

    name: str
    table: str
    columns: frozenset[str]
    predict: Callable[[Columns], Draft]
    measured: Callable[[Columns], Array] = _microseconds


KINDS: tuple[Kind, ...] = (
    Kind("gemm", "ops_gemm_aiconfigurator", gemm.COLUMNS, gemm.predict),
    Kind("attention-prefill", "ops_attention_prefill_aiconfigurator", attention.PREFILL, attention.prefill),
    Kind("attention-decode", "ops_attention_decode_aiconfigurator", attention.DECODE, attention.decode),
    Kind("moe", "ops_moe_aiconfigurator", moe.COLUMNS, moe.predict),
    Kind("collectives", "ops_collectives_aiconfigurator", collectives.COLUMNS, collectives.predict),
    Kind("layers-vidur", "ops_mlp_vidur", vidur_mlp.COLUMNS, vidur_mlp.predict),
    Kind("network-vidur", "ops_network_vidur", vidur_network.COLUMNS, vidur_network.predict),
    Kind("llmcompass", "ops_llmcompass", llmcompass.COLUMNS, llmcompass.predict, llmcompass.measured),
    Kind("infersim", "ops_infersim_h20_h800", infersim.COLUMNS, infersim.predict),
    Kind("deepseek", "ops_deepseek_readme", deepseek.COLUMNS, deepseek.predict),
    Kind("attention-rtx", "ops_rtx_attention_llmservingsim", rtx_attention.COLUMNS, rtx_attention.predict),
    Kind("layers-rtx", "ops_rtx_dense_llmservingsim", rtx_layers.COLUMNS, rtx_layers.predict),
    Kind("layers-tpu", "ops_tpu_v6e_layers_llmservingsim", tpu.LAYERS, tpu.layers),
    Kind("attention-tpu", "ops_tpu_v6e_attention_llmservingsim", tpu.ATTENTION, tpu.attention),
)


def recognise(columns: frozenset[str]) -> Kind | None:
    """The kind of a table with these columns, None if no kind has them."""
    return next((kind for kind in KINDS if kind.columns <= columns), None)
