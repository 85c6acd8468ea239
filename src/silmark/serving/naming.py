"""The same metrics under the names and definitions of other benchmark clients.

Clients use the same words for different things: guidellm's ITL is what vLLM calls TPOT, and its TPOT counts the first
token. Definitions as read in vLLM 0.33.0 (`benchmarks/serve.py`), guidellm 0.8.1 (`schemas/base/request_stats.py`),
aiperf 0.13.0 (`metrics/types`), MLPerf LoadGen 6.0.17 (summary file) and InferenceX (`utils/process_result.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from silmark.errors import UnknownName
from silmark.serving.metrics import LOADGEN, Values


@dataclass(frozen=True, slots=True)
class _Client:
    """How a client names things.

    Attributes:
        single: our metric -> its name.
        spread: our distribution -> its name, and its units in a second.
        statistics: our statistic -> its name.
        pattern: how it joins the two.
    """

    single: Mapping[str, str] = field(default_factory=dict)
    spread: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    statistics: Mapping[str, str] = field(default_factory=dict)
    pattern: str = "{metric}.{statistic}"


_CLIENTS = {
    "vllm": _Client(
        {
            "requests.completed": "completed",
            "duration_s": "duration",
            "tokens.input": "total_input_tokens",
            "tokens.output": "total_output_tokens",
            "requests_per_s": "request_throughput",
            "goodput_requests_per_s": "request_goodput",
            "output_tokens_per_s": "output_throughput",
            "tokens_per_s": "total_token_throughput",
            "peak_output_tokens_per_s": "max_output_tokens_per_s",
            "peak_concurrent_requests": "max_concurrent_requests",
        },
        {"ttft_s": ("ttft_ms", 1e3), "tpot_s": ("tpot_ms", 1e3), "itl_s": ("itl_ms", 1e3), "e2el_s": ("e2el_ms", 1e3)},
        {"mean": "mean", "p50": "median", "std": "std", "p90": "p90", "p95": "p95", "p99": "p99", "p99.9": "p99.9"},
        "{statistic}_{metric}",
    ),
    "guidellm": _Client(
        {
            "requests_per_s": "requests_per_second.mean",
            "goodput_requests_per_s": "request_goodput.mean",
            "output_tokens_per_s": "output_tokens_per_second.mean",
            "tokens_per_s": "tokens_per_second.mean",
        },
        {
            "ttft_s": ("time_to_first_token_ms", 1e3),
            "e2el_per_token_s": ("time_per_output_token_ms", 1e3),
            "tpot_s": ("inter_token_latency_ms", 1e3),
            "e2el_s": ("request_latency", 1.0),
        },
        {"mean": "mean", "p50": "median", "std": "std_dev", "p90": "p90", "p95": "p95", "p99": "p99", "p99.9": "p999"},
    ),
    "aiperf": _Client(
        {
            "requests.completed": "request_count",
            "duration_s": "benchmark_duration",
            "requests_per_s": "request_throughput",
            "goodput_requests_per_s": "goodput",
            "output_tokens_per_s": "output_token_throughput",
            "tokens_per_s": "total_token_throughput",
        },
        {
            "ttft_s": ("time_to_first_token", 1e3),
            "tpot_s": ("inter_token_latency", 1e3),
            "itl_s": ("inter_chunk_latency", 1e3),
            "e2el_s": ("request_latency", 1e3),
        },
        {"mean": "avg", "p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99"},
    ),
    "mlperf": _Client(
        {"requests_per_s": "Completed samples per second", "output_tokens_per_s": "Completed tokens per second"},
        {
            "loadgen_ttft_s": ("first token latency (ns)", 1e9),
            "loadgen_tpot_s": ("time to output token (ns)", 1e9),
            "loadgen_e2el_s": ("latency (ns)", 1e9),
        },
        {f"p{percent}": f"{percent}.00 percentile" for percent in LOADGEN},
        "{statistic} {metric}",
    ),
}
TOOLS = (*_CLIENTS, "inferencex")


def as_named(tool: str, values: Mapping[str, float | None], chips: int = 1) -> Values:
    """Metrics of a run under another tool's names and in its units.

    Args:
        tool: vllm, guidellm, aiperf, mlperf or inferencex.
        values: as `metrics.measure` names them.
        chips: of the whole system, for what is counted per chip.

    Raises:
        UnknownName: another tool.
    """
    if tool == "inferencex":
        return _inferencex(values, chips)
    if tool not in _CLIENTS:
        raise UnknownName("benchmark client", tool, TOOLS, hint=f"known ones: {', '.join(TOOLS)}")
    return dict(_renamed(_CLIENTS[tool], values))


def _renamed(client: _Client, values: Mapping[str, float | None]) -> Iterator[tuple[str, float | None]]:
    for ours, theirs in client.single.items():
        yield theirs, values.get(ours)
    for ours, (metric, unit) in client.spread.items():
        for key, statistic in client.statistics.items():
            value = values.get(f"{ours}.{key}")
            yield client.pattern.format(metric=metric, statistic=statistic), None if value is None else value * unit


def _inferencex(values: Mapping[str, float | None], chips: int) -> Values:
    """Throughput per chip; interactivity is the inverse of TPOT."""
    both, output = values.get("tokens_per_s"), values.get("output_tokens_per_s")
    found: Values = {
        "tput_per_gpu": None if both is None else both / chips,
        "output_tput_per_gpu": None if output is None else output / chips,
        "input_tput_per_gpu": None if both is None or output is None else (both - output) / chips,
    }
    for key, name in (("mean", "mean"), ("p50", "median"), ("p99", "p99")):
        tpot = values.get(f"tpot_s.{key}")
        found[f"{name}_intvty"] = 1.0 / tpot if tpot else None
    return found
