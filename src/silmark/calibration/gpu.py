"""Writes `data/calibration/gpu.toml`: all fits of the family, and the parameters that nothing public fixes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from silmark.calibration import gpu_attention, gpu_gemm, gpu_host, gpu_moe, gpu_streams
from silmark.calibration.points import Leaf, leaf, write
from silmark.calibration.robust import Fit, Group, statistics
from silmark.chips import coefficients
from silmark.figures.tables import data_folder, packaged

SOURCE = "aiconfigurator-perf-tables"
SOURCES = {"elementwise": "vidur-profiles"}
"""Part of the family -> source, where that is another one."""
NOTES = {
    "gemm.flop_share": "rate of a large tile over the chip's achieved 16-bit rate; short kernels run above its long-run clock",
    "gemm.tile_area": "elements of a tile at which half the unit's rate is reached",
    "gemm.draw": "bytes per clock that one unit draws from the cache",
    "gemm.memory_share": "of the achieved memory bandwidth",
    "gemm.store": "bytes of results per clock and unit",
    "gemm.kernel_cycles": "fixed latency of one kernel beyond the launch",
    "gemm.merge_cycles": "second kernel or barrier of split-K",
    "gemm.overlap": "part of the shorter of memory and matrix time that still shows",
    "gemm.tail": "how far waves are whole: 0 stream-K, 1 plain tiles",
    "gemm.resident_share": "of the cache that keeps activations between kernels",
    "gemm.resident_weights": "of the cache in which a repeated test finds its weights; only `gemm_time(copies=...)` uses it",
    "achievable.memory": "of the peak bandwidth, for chips without a measured one",
    "achievable.matrix": "of the 16-bit peak, for chips without a measured rate; A40 and RTX 4090, which boost above their sheet",
    "format.fp8": "share of its peak that fp8 reaches, over the same for 16 bits",
    "format.fp4": "share of its peak that NVFP4 reaches, over the same for 16 bits",
    "format.int8": "share of its peak that int8 reaches, over the same for 16 bits; A100 only",
    "gemm.quantise_cycles": "kernels that narrow the activations; median, least and most of eight tables",
    "decode.memory_share": "of the achieved memory bandwidth",
    "decode.flop_share": "of the achieved 16-bit rate, query rows padded to 16",
    "decode.draw": "bytes per clock at which one unit walks through the cache",
    "decode.block_cycles": "per block of a sequence and KV head",
    "decode.kernel_cycles": "fixed latency, the merge of splits included",
    "decode.split_tokens": "tokens that one block walks through at least",
    "decode.query_traffic": "bytes moved per byte of queries and outputs (new keys, partial results)",
    "resident": "of the cache in which a repeated test finds its KV; no model uses it",
    "prefill.flop_share": "of the achieved 16-bit rate at very wide heads",
    "prefill.head_width": "head width at which half of it is reached",
    "prefill.block_cycles": "per block of 128 query rows",
    "prefill.kernel_cycles": "fixed latency",
    "prefill.memory_share": "of the achieved memory bandwidth",
    "prefill.tail": "part of the shorter of even load and longest block that still shows",
    "prefill.overlap": "part of the shorter of memory and matrix time that still shows",
    "experts.flop_share": "of the achieved rate in the format",
    "experts.tile_area": "elements of a tile at which half the rate is reached",
    "experts.memory_share": "of the achieved memory bandwidth",
    "experts.tile_cycles": "per tile",
    "experts.launches": "kernels of the sequence route, sort, quantise, two products, activation, combine; in launches",
    "experts.row_traffic": "times that a routed row crosses memory in and out",
    "experts.overlap": "part of the shorter of memory and matrix time that still shows",
    "elementwise.kernel_cycles": "fixed latency beyond the launch",
    "elementwise.memory_share": "of the achieved memory bandwidth",
    "elementwise.cache_share": "of the cache bandwidth",
    "elementwise.resident_share": "of the cache that keeps a tensor between two kernels",
}
_NOT_FOR_MODELS = ("resident",)


def _rest() -> dict[str, Leaf]:
    """Parameters without public rows of their own."""
    assumed = {"source": "silmark-assumption", "grade": "assumed"}
    return {
        "achievable.cache": leaf(
            30, 15, 36, "1", source="te42kyfo-gpu-benches", grade="derived",
            note="bytes per clock and unit where a chip file gives no cache bandwidth: A100 36, H100 35, MI210 24, L40 15",
        ),
        "vector.matrix_share": leaf(
            0.06, 0.03, 0.25, "1", source="stas00-ml-engineering", grade="derived",
            note="vector peak over 16-bit matrix peak where a chip file gives none: A100 0.063, H100 0.068, B200 0.036",
        ),
        "vector.share": leaf(0.5, 0.25, 0.9, "1", note="of the vector peak; norms and activations mix in slow operations", **assumed),
        "scan.flop_share": leaf(0.25, 0.1, 0.6, "1", note="of the achieved 16-bit rate in the chunked scan: small products", **assumed),
        "gibbs.bytes_per_edge": leaf(
            20, 5, 30, "1", source="thrml-fps-figure", grade="derived",
            note="one point: 8 x B200 reach 186 updates/ns on a Pegasus graph of degree 15 (23.25e9 per chip and s); an "
            "update then moves 7 TB/s / 23.25e9 / 15 bytes per edge: index, coupling, state and their write-back",
        ),
        "host.step": leaf(1, 0.2, 3, "ms", note="until `gpu_host` has run", **assumed),
    }  # fmt: skip


def calibrate(path: Path | None = None) -> Path:
    """Runs all fits and writes the file; returns its path."""
    wide, narrow, wide_left_out = gpu_gemm.run()
    quantise = np.array([value for key, value in narrow.values.items() if key.startswith("quantise.")])
    known = {**gpu_gemm.KNOWN, **wide.values, **_without(narrow.values, "quantise.")}
    known["gemm.quantise_cycles"] = float(np.median(quantise))
    attention = gpu_attention.run(known)
    moe, moe_left_out = gpu_moe.run(known)
    streams, streams_left_out = gpu_streams.run(known)
    parts: dict[str, tuple[Fit, list[Group], dict[str, dict[str, float]]]] = {
        "gemm": (wide, gpu_gemm.groups(wide=True), wide_left_out),
        "decode": (*_fit(attention["decode"], "decode"), attention["decode"][1]),
        "prefill": (*_fit(attention["prefill"], "prefill"), attention["prefill"][1]),
        "experts": (moe, gpu_moe.groups(), moe_left_out),
        "elementwise": (streams, gpu_streams.groups() + gpu_streams.groups(gpu_streams.OLDER), streams_left_out),
    }
    leaves: dict[str, Leaf] = {}
    tables: dict[str, dict[str, float | list[float]]] = {"covariance": {}}
    rows = 0
    for name, (kept, groups, left_out) in parts.items():
        leaves |= kept.leaves(SOURCES.get(name, SOURCE), NOTES)
        tables["covariance"][name] = [float(v) for v in kept.covariance.ravel()]
        tables[f"covariance_order.{name}"] = {key: float(i) for i, key in enumerate(kept.values)}
        values = {**known, **kept.values}
        rows += sum(len(group.seconds) for group in groups)
        for label, row in statistics(groups, values).items():
            tables[f'residuals."{name} {label}"'] = dict(row)
        for label, row in left_out.items():
            tables[f'left_out."{name} {label}"'] = dict(row)
    for label, row in statistics(gpu_gemm.groups(wide=False), known).items():
        tables[f'residuals."gemm {label}"'] = dict(row)
    shares = {key: entry for key, entry in narrow.leaves(SOURCE, _Notes(NOTES)).items() if key.startswith("format.")}
    leaves |= shares
    leaves["gemm.quantise_cycles"] = leaf(
        float(np.median(quantise)), float(quantise.min()), float(quantise.max()), "1",
        source=SOURCE, grade="derived", note=NOTES["gemm.quantise_cycles"],
    )  # fmt: skip
    leaves |= _rest()
    leaves = {key: entry for key, entry in leaves.items() if key not in _NOT_FOR_MODELS}
    target = path or data_folder() / "calibration" / "gpu.toml"
    head: Mapping[str, str | int] = {
        "family": "gpu",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "silmark calibrate gpu",
        "data": "measurements/public/ops_{gemm,attention_decode,attention_prefill,moe}_aiconfigurator, ops_mlp_vidur, "
        "ops_rtx_dense_llmservingsim; errors are ln(predicted / measured)",
        "rows": rows,
    }
    write(target, head, leaves, tables)
    coefficients.load.cache_clear()
    packaged.cache_clear()
    if path is None:  # the host's share is what the kernels just fitted leave over
        leaves["host.step"] = gpu_host.run()
        write(target, head, leaves, tables)
    return target


def _fit(found: tuple[Fit, dict[str, dict[str, float]]], phase: str) -> tuple[Fit, list[Group]]:
    return found[0], gpu_attention.groups(phase) + gpu_attention.groups(phase, fallbacks=True)


def _without(values: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {key: value for key, value in values.items() if not key.startswith(prefix)}


class _Notes(dict[str, str]):
    """Notes, empty for the tables' own overheads."""

    def __missing__(self, key: str) -> str:
        return ""
