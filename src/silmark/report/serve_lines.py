"""A simulated run in the words, order and layout of `vllm bench serve`, then queue and cache, energy and cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from silmark.figures import Interval
from silmark.figures.numbers import shown, si, spread, three
from silmark.report.served import ServeSim
from silmark.report.table import grid
from silmark.serving.run import Run
from silmark.serving.slo import Limit, Slo

_Line = tuple[str, str, float, int]
"""Label, metric, its units in one SI unit, digits behind the point."""
_MS = 1e3

_RESULT: tuple[_Line, ...] = (
    ("Successful requests:", "requests.completed", 1, 0),
    ("Failed requests:", "requests.failed", 1, 0),
    ("Benchmark duration (s):", "duration_s", 1, 2),
    ("Total input tokens:", "tokens.input", 1, 0),
    ("Total generated tokens:", "tokens.output", 1, 0),
    ("Request throughput (req/s):", "requests_per_s", 1, 2),
    ("Request goodput (req/s):", "goodput_requests_per_s", 1, 2),
    ("Output token throughput (tok/s):", "output_tokens_per_s", 1, 2),
    ("Peak output token throughput (tok/s):", "peak_output_tokens_per_s", 1, 2),
    ("Peak concurrent requests:", "peak_concurrent_requests", 1, 2),
    ("Total token throughput (tok/s):", "tokens_per_s", 1, 2),
)
_LATENCIES = (
    ("Time to First Token", "TTFT", "ttft_s"),
    ("Time per Output Token (excl. 1st token)", "TPOT", "tpot_s"),
    ("Inter-token Latency", "ITL", "itl_s"),
    ("End-to-end Latency", "E2EL", "e2el_s"),
)
_RATES = ("sent_requests_per_s", "requests_per_s", "goodput_requests_per_s", "output_tokens_per_s")
_STATISTICS = (("Mean", "mean"), ("Median", "p50"), ("P90", "p90"), ("P99", "p99"))
_QUEUE: tuple[_Line, ...] = (
    ("Mean queue time (ms):", "queue_s.mean", _MS, 2),
    ("P99 queue time (ms):", "queue_s.p99", _MS, 2),
    ("Preemptions:", "preemptions", 1, 0),
    ("Preempted requests:", "preempted_requests", 1, 0),
    ("Prefix cache hit rate (%):", "prefix_cache_hit_rate", 100, 2),
    ("Mean KV cache usage (%):", "kv_usage.mean", 100, 2),
    ("Peak KV cache usage (%):", "kv_usage.max", 100, 2),
)
_MONEY: tuple[_Line, ...] = (
    ("Mean power (W):", "power_w", 1, 1),
    ("Energy per request (J):", "joules_per_request", 1, 2),
    ("Energy per output token (J):", "joules_per_output_token", 1, 4),
    ("Cost per 1,000 requests ($):", "usd_per_request", 1e3, 4),
    ("Cost per million output tokens ($):", "usd_per_million_output_tokens", 1, 4),
)
_WIDTH, _LABEL, _CELL = 50, 40, 10
_NARROW = 1.005


def heading(answer: ServeSim) -> Iterator[str]:
    """The question, and what the engine chose."""
    asked, engine = answer.question, answer.engine
    yield f"{asked['model']} on {asked['on']}: {asked['trace']}"
    if engine is not None:
        version = f"{engine['engine']} {engine['engine_version']}".rstrip()
        like = "" if engine["engine_version"] else ", taken to schedule as vLLM does"
        copies = f"{engine['replicas']} replicas, each " if engine["replicas"] > 1 else ""
        yield f"{version}{like}; {engine['plan']}: {copies}{engine['kv_tokens']:,} KV tokens"
        yield (
            f"max_num_seqs {engine['max_num_seqs']:,}, max_num_batched_tokens {engine['max_num_batched_tokens']:,}, "
            f"max_model_len {engine['max_model_len']:,}, {engine['num_blocks']:,} blocks of {engine['block_size']:,}"
        )


def lines(answer: ServeSim, short: bool = False) -> Iterator[str | Table]:
    """The whole answer.

    Args:
        answer: what to write.
        short: one row per run instead of one column.
    """
    yield from heading(answer)
    if answer.reason:
        yield f"{answer.status}: {answer.reason}"
    if answer.runs:
        yield ""
        if short:
            yield brief(answer)
        else:
            yield from _result(answer)
    if answer.notes:
        yield ""
    yield from answer.notes


def brief(answer: ServeSim) -> Table:
    """One row per run."""
    headers = [
        "rate",
        "sent req/s",
        "done req/s",
        "good req/s",
        "tok/s",
        "TTFT p50",
        "p99",
        "TPOT p50",
        "p99",
        "E2EL p99",
    ]
    headers += ["KV peak", "J/token", "$/Mtok", "SLO"]
    rows = [_row(answer, *one) for one in zip(answer.rates, answer.runs, strict=True)]
    return grid(headers, rows, numeric=range(len(headers) - 1))


def _row(answer: ServeSim, rate: str, run: Run) -> list[str]:
    def cell(name: str, unit: str = "") -> str:
        found = run.interval(name)
        if found is None:
            return "-"
        if found.low <= 0 or _narrow(found):
            return si(found.mid, unit) if unit else three(found.mid)
        return shown(found, unit)

    rates = [cell(name) for name in _RATES]
    times = ("ttft_s.p50", "ttft_s.p99", "tpot_s.p50", "tpot_s.p99", "e2el_s.p99")
    peak = run.values.get("kv_usage.max")
    return [
        rate or "trace",
        *rates,
        *(cell(name, "s") for name in times),
        "-" if peak is None else f"{100 * peak:.0f} %",
        cell("joules_per_output_token", "J"),
        cell("usd_per_million_output_tokens"),
        _kept(answer, run),
    ]


def _kept(answer: ServeSim, run: Run) -> str:
    if not answer.slo.limits:
        return "-"
    missed = answer.slo.missed(run.values)
    return "kept" if not missed else "misses " + ", ".join(map(str, missed))


def _result(answer: ServeSim) -> Iterator[str]:
    """The blocks of `vllm bench serve`, in its layout."""
    rows = list(_rows(answer))
    width = max((len(cell) for _, cells in rows for cell in cells), default=0) if len(answer.runs) > 1 else _CELL
    yield _title("Serving Benchmark Result", "=")
    for label, cells in rows:
        if cells:
            yield f"{label:<{_LABEL}} {' '.join(f'{cell:<{width}}' for cell in cells)}".rstrip()
        else:
            yield _title(label, "-")
    yield "=" * _WIDTH


def _rows(answer: ServeSim) -> Iterator[tuple[str, Sequence[str]]]:
    """Labels with the numbers of all runs, and the titles of blocks."""
    runs, limits = answer.runs, answer.slo.limits
    for line in _RESULT:
        if line[1] == "goodput_requests_per_s" and not limits:
            continue
        yield _row_of(runs, line)
        if line[1] == "requests.failed" and any(answer.rates):
            yield "Request rate configured (RPS):", answer.rates
    for title, word, metric in _LATENCIES:
        yield title, ()
        for said, statistic in _STATISTICS:
            yield _row_of(runs, (f"{said} {word} (ms):", f"{metric}.{statistic}", _MS, 2))
    for title, block in (("Queue and KV Cache", _QUEUE), ("Energy and Cost", _MONEY)):
        yield title, ()
        for line in block:
            yield _row_of(runs, line)
    if limits:
        yield "Service Level Objective", ()
    for limit in limits:
        label = f"P{limit.percentile:g} {limit.metric.upper()} <= {si(limit.seconds, 's')}:"
        yield label, [_verdict(answer.slo, limit, run) for run in runs]


def _row_of(runs: Sequence[Run], line: _Line) -> tuple[str, list[str]]:
    label, name, units, digits = line
    return label, [_cell(run, name, units, digits) for run in runs]


def _verdict(slo: Slo, limit: Limit, run: Run) -> str:
    known = run.bounds.get(limit.key)
    close = known is not None and known.low <= limit.seconds < known.high
    return ("missed" if limit in slo.missed(run.values) else "kept") + (", within the error bar" if close else "")


def _title(text: str, mark: str) -> str:
    return f" {text} ".center(_WIDTH, mark)


def _cell(run: Run, name: str, units: float, digits: int) -> str:
    """A number as vLLM writes it, and how far it is uncertain."""
    value, known = _value(run, name), run.bounds.get(name)
    if value is None:
        return "-"
    text = f"{value * units:.{digits}f}"
    if known is None or _narrow(known):
        return text
    if known.low > 0:
        return f"{text:<{_CELL}} {spread(known)}"
    return f"{text:<{_CELL}} {known.low * units:.{digits}f} to {known.high * units:.{digits}f}"


def _narrow(known: Interval) -> bool:
    """Whether the spread would read -0 +0%."""
    return known.high <= known.low * _NARROW


def _value(run: Run, name: str) -> float | None:
    if name == "requests.failed":
        return (run.values["requests.refused"] or 0) + (run.values["requests.lost"] or 0)
    return run.values.get(name)
