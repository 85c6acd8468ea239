"""Writes `data/calibration/gpu.toml`: all fits of the family, and the parameters that nothing public fixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from silmark.calibration import gpu_attention, gpu_gemm, gpu_host, gpu_moe, gpu_streams, robust, rows
from silmark.calibration.gpu_tree import Part, Table, Tree, statistics
from silmark.calibration.points import Leaf, head, leaf, write
from silmark.calibration.robust import Fit
from silmark.chips import coefficients
from silmark.chips.mechanisms.gpu_kernels import factors
from silmark.figures.tables import data_folder, packaged, read_toml

SOURCE = "aiconfigurator-perf-tables"
SOURCES = {"elementwise": "vidur-profiles"}
"""Part of the family -> source, where that is another one."""
TABLES = (
    "ops_gemm_aiconfigurator", "ops_attention_decode_aiconfigurator", "ops_attention_prefill_aiconfigurator",
    "ops_moe_aiconfigurator", "ops_mlp_vidur", "ops_rtx_dense_llmservingsim", "ops_rtx_attention_llmservingsim",
    "ops_infersim_h20_h800",
)  # fmt: skip
"""What kernels are fitted to."""
NOTES = {
    "gemm.flop_share": "rate of a large tile over the chip's achieved 16-bit rate",
    "gemm.tile_area": "elements of a tile at which half the unit's rate is reached",
    "gemm.draw": "bytes per clock that one unit draws from the cache",
    "gemm.memory_share": "of the achieved memory bandwidth",
    "gemm.store": "bytes of results per clock and unit",
    "gemm.kernel_cycles": "fixed latency of one kernel beyond the launch",
    "gemm.merge_cycles": "second kernel or barrier of split-K",
    "gemm.overlap": "part of the shorter of memory and matrix time that still shows",
    "gemm.tail": "how far waves are whole: 0 stream-K, 1 plain tiles",
    "gemm.resident_share": "of the cache that keeps activations between kernels",
    "gemm.resident_weights": "of the cache in which a repeated test finds its weights; only `copies` uses it",
    "achievable.memory_nvidia": "of the peak bandwidth, for NVIDIA's chips without a measured one",
    "achievable.matrix_nvidia": "of the 16-bit peak, for NVIDIA's chips without a measured rate: A40, RTX 4090",
    "achievable.carry_nvidia": "exponent with which the long-run share of the peak carries over to short kernels; the "
    "fit stops at its lower bound",
    "format.fp8": "share of its peak that fp8 reaches, over the same for 16 bits",
    "format.fp4": "share of its peak that NVFP4 reaches, over the same for 16 bits",
    "format.int8": "share of its peak that int8 reaches, over the same for 16 bits; A100 only",
    "gemm.step_cycles": "least cycles of one block per 64 elements of depth",
    "gemm.rows_16": "time of the matrix unit in tiles of 16 rows over that in large ones",
    "gemm.rows_32": "as rows_16, 32 rows",
    "gemm.rows_64": "as rows_16, 64 rows",
    "gemm.quantise_cycles": "kernels that narrow the activations: fixed latency",
    "gemm.quantise_row": "cycles per row of activations that is narrowed",
    "gemm.quantise_traffic": "bytes moved per byte of activations read and written once",
    "decode.memory_share": "of the achieved memory bandwidth",
    "decode.flop_share": "of the achieved 16-bit rate, query rows padded to 16",
    "decode.score_cycles": "cycles of one unit per score (padded query row times key): the softmax",
    "decode.draw": "bytes per clock at which one unit walks through the cache",
    "decode.block_cycles": "per wave of blocks",
    "decode.width_cycles": "per wave of blocks and element of head width",
    "decode.sequence_cycles": "per sequence",
    "decode.merge_cycles": "per doubling of the context beyond 128 tokens",
    "decode.kernel_cycles": "fixed latency",
    "decode.split_tokens": "tokens that one block walks through at least",
    "decode.query_traffic": "bytes moved per byte of queries and outputs (new keys, partial results)",
    "decode.wave": "how far waves are whole",
    "decode.overlap": "part of what the slowest hides that still shows",
    "decode.window_tokens": "tokens beyond a window that are read as well",
    "decode.resident": "of the cache in which a repeated test finds its KV; no model uses it",
    "prefill.flop_share": "of the achieved 16-bit rate at very wide heads",
    "prefill.score_cycles": "cycles of one unit per score (query row times key): the softmax",
    "prefill.short_rows": "rows whose time a block of 64 rows loses",
    "prefill.block_cycles": "per block of query rows",
    "prefill.width_cycles": "per block and element of head width",
    "prefill.sequence_cycles": "per sequence",
    "prefill.kernel_cycles": "fixed latency",
    "prefill.memory_share": "of the achieved memory bandwidth",
    "prefill.kv_traffic": "bytes moved per byte of keys and values",
    "prefill.tail": "part of the shorter of even load and longest block that still shows",
    "prefill.overlap": "part of the shorter of memory and matrix time that still shows",
    "prefill.window_tokens": "keys beyond a window that a block works on as well",
    "experts.flop_share": "of the achieved rate in the format",
    "experts.tile_area": "elements of a tile at which half the rate is reached",
    "experts.memory_share": "of the achieved memory bandwidth",
    "experts.tile_cycles": "per tile",
    "experts.launches": "kernels of the sequence route, sort, quantise, two products, activation, combine; in launches",
    "experts.row_traffic": "times that a routed row crosses memory in and out",
    "experts.expert_cycles": "per expert of the chip",
    "experts.walk_cycles": "per routed row that routing and sorting walk over",
    "experts.overlap": "part of the shorter of memory and matrix time that still shows",
    "elementwise.kernel_cycles": "fixed latency beyond the launch",
    "elementwise.memory_share": "of the achieved memory bandwidth",
    "elementwise.cache_share": "of the cache bandwidth",
    "elementwise.resident_share": "of the cache that keeps a tensor between two kernels",
}
CHIP_TO_CHIP = {"achievable.matrix_nvidia": 0.2, "achievable.memory_nvidia": 0.06, "achievable.carry_nvidia": 0.4}
"""Logarithmic half-widths that cover the chips' differences: what leaving chips out shows, not the fit's covariance."""


def _rest() -> dict[str, Leaf]:
    """Parameters without public rows of their own."""
    assumed = {"source": "silmark-assumption", "grade": "assumed"}
    microbenchmarks = {"source": "te42kyfo-gpu-benches", "grade": "derived"}
    rates = {"source": "stas00-ml-engineering", "grade": "derived"}
    return {
        "achievable.memory_other": leaf(
            0.8, 0.7, 0.9, "1", note="as memory_nvidia, other vendors: MI210 0.82, MI300X 0.79", **microbenchmarks
        ),
        "achievable.matrix_other": leaf(
            0.6, 0.45, 0.85, "1", note="as matrix_nvidia, other vendors: MI300X 0.51, MI325X 0.60, MI355X 0.62", **rates
        ),
        "achievable.carry_other": leaf(
            1, 0.7, 1, "1", note="as carry_nvidia, other vendors: no public rows, so nothing is granted", **assumed
        ),
        "achievable.cache": leaf(
            30, 15, 36, "1", **microbenchmarks,
            note="bytes per clock and unit where a chip gives no cache bandwidth: A100 36, H100 35, MI210 24, L40 15",
        ),
        "vector.matrix_share": leaf(
            0.06, 0.03, 0.25, "1", **rates,
            note="vector over 16-bit matrix peak where a chip file gives none: A100 0.063, H100 0.068, B200 0.036",
        ),
        "vector.share": leaf(0.5, 0.25, 0.9, "1", note="of the vector peak; slow operations are mixed in", **assumed),
        "scan.flop_share": leaf(
            0.25, 0.1, 0.6, "1", note="of the achieved 16-bit rate in the chunked scan: small products", **assumed
        ),
        "gibbs.bytes_per_edge": leaf(
            20, 5, 30, "1", source="thrml-fps-figure", grade="derived",
            note="one point: 8 x B200 reach 186 updates/ns on a Pegasus graph of degree 15, 23.25e9 per chip and s; an "
            "update then moves 7 TB/s / 23.25e9 / 15 bytes per edge: index, coupling, state and their write-back",
        ),
        "decode.group_limit": leaf(
            1e4, 1e4, 1e4, "1", source=SOURCE, grade="derived",
            note="query heads per KV head that one pass over the cache serves at most; 32 in TensorRT-LLM",
        ),
        "decode.lone_split": leaf(
            1, 1, 1, "1", source=SOURCE, grade="derived",
            note="times split_tokens where a KV head serves one query head; FlashAttention-2 then never splits",
        ),
        "host.step": leaf(1, 0.2, 3, "ms", note="until `gpu_host` has run", **assumed),
        "host.request": leaf(2, 0.5, 5, "ms", note="until `gpu_host` has run", **assumed),
    }  # fmt: skip


Entries = dict[str, float | list[float]]


def factor_entries(tree: Tree, tables: Sequence[Table]) -> dict[str, Entries]:
    """Factors of all nodes in the order of the parameters."""
    names = list(tree.common)
    nodes = {**tree.factors, **tree.aliases(tables)}
    rows: Entries = {
        node: [float(f"{own.get(name, 1.0):.4g}") for name in names] for node, own in sorted(nodes.items())
    }
    order: Entries = {name: float(i) for i, name in enumerate(names)}
    return {f"factors.{tree.part}": rows, f"factors.{tree.part}.order": order}


def _covariance(name: str, kept: Fit) -> dict[str, Entries]:
    return {f"covariance_order.{name}": {key: float(i) for i, key in enumerate(kept.values)}}


def _fitted(part: Part, judged: bool) -> tuple[Fit, dict[str, Entries], int]:
    """Common values of one part, the tables of its factors and errors, and how many rows it saw."""
    own = part.tables(slice(None))
    kept, tree = part.fit(own)
    tables = factor_entries(tree, own) | _covariance(part.name, kept)
    if judged:
        tables |= statistic_entries("residuals", part.name, statistics(tree, own))
        tables |= statistic_entries("held_out", part.name, part.held_out())
        tables |= statistic_entries("left_out", part.name, part.left_out())
    return kept, tables, sum(len(table.group.seconds) for table in own)


def _streams(known: Mapping[str, float], judged: bool) -> tuple[Fit, dict[str, Entries], int]:
    """The same of element-wise kernels, which have no factors."""
    kept = gpu_streams.fitted(known)
    groups = gpu_streams.groups() + gpu_streams.groups(gpu_streams.OLDER)
    tables = _covariance("elementwise", kept)
    if judged:
        tables |= statistic_entries("residuals", "elementwise", robust.statistics(groups, {**known, **kept.values}))
        tables |= statistic_entries("left_out", "elementwise", gpu_streams.left_out(kept, known))
    return kept, tables, sum(len(group.seconds) for group in groups)


@contextmanager
def refitted(tables: Mapping[str, tuple[rows.Row, ...]]) -> Iterator[None]:
    """Inside, GPUs answer from a fit that saw only these rows, by table (TABLES)."""
    with TemporaryDirectory() as folder:
        with rows.instead(tables):
            table = read_toml(run(Path(folder) / "gpu.toml", judged=False))
        with coefficients.replaced("gpu", table):
            factors.cache_clear()
            yield
        factors.cache_clear()


def run(path: Path | None = None, judged: bool = True) -> Path:
    """Runs all fits and writes the file; returns its path.

    Args:
        path: another place; the host's time is not fitted then.
        judged: whether the errors are written as well, those of rows and chips that were left out among them.
    """
    first = _fitted(gpu_gemm.PART, judged)
    known = {**gpu_gemm.KNOWN, **first[0].values}
    later = (*gpu_attention.parts(known), gpu_moe.part(known))
    found = {"gemm": first, **{part.name: _fitted(part, judged) for part in later}}
    found["elementwise"] = _streams(known, judged)
    leaves: dict[str, Leaf] = {}
    tables: dict[str, Entries] = {"covariance": {}}
    total = 0
    for name, (kept, own, count) in found.items():
        leaves |= kept.leaves(SOURCES.get(name, SOURCE), NOTES)
        tables["covariance"][name] = [float(v) for v in kept.covariance.ravel()]
        tables |= own
        total += count
    leaves = {key: _widened(key, entry) for key, entry in {**leaves, **_rest()}.items()}
    target = path or data_folder() / "calibration" / "gpu.toml"
    about = head(
        "gpu",
        "silmark calibrate gpu",
        "measurements/public/ops_{gemm,attention_decode,attention_prefill,moe}_aiconfigurator, ops_mlp_vidur, "
        "ops_rtx_{dense,attention}_llmservingsim, ops_infersim_h20_h800 (gemm, mha, mla), argonne_llm_inference_bench; "
        "errors are ln(predicted / measured)",
        total,
    )
    write(target, about, leaves, tables)
    if path is None:  # the host's share is what the kernels just fitted leave over
        coefficients.load.cache_clear()
        packaged.cache_clear()
        factors.cache_clear()
        leaves["host.step"], leaves["host.request"] = gpu_host.run()
        write(target, about, leaves, tables)
    return target


def _widened(key: str, entry: Leaf) -> Leaf:
    factor, value = float(np.exp(CHIP_TO_CHIP.get(key, 0.0))), float(entry["value"])
    low, high = min(float(entry["low"]), value / factor), max(float(entry["high"]), value * factor)
    return {**entry, "low": float(f"{low:.4g}"), "high": float(f"{high:.4g}")}


def statistic_entries(kind: str, part: str, table: Mapping[str, Mapping[str, float]]) -> dict[str, Entries]:
    """Tables of residuals of one part."""
    return {f'{kind}."{part} {label}"': dict(row) for label, row in table.items()}
