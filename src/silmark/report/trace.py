"""What a trace is like, as tables and as JSON; and which traces, formats and generators there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from silmark.figures.numbers import si
from silmark.workloads.traces import FORMATS, GENERATORS, Statistics
from silmark.workloads.traces.catalogue import entries
from silmark.workloads.traces.statistics import PERCENTILES, Summary

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Shown:
    """The answer of `silmark trace show`.

    Attributes:
        name: of the trace.
        statistics: of its requests.
        skipped: rows of the file that were left out, by reason.
        notes: licence and citation of a public trace.
    """

    name: str
    statistics: Statistics
    skipped: Mapping[str, int]
    notes: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """The JSON document silmark.trace/1."""
        found, reuse = self.statistics, self.statistics.reuse
        return {
            "schema": "silmark.trace/1",
            "trace": self.name,
            "requests": found.requests,
            "requests_following": found.following,
            "sessions": found.sessions,
            "duration_s": found.duration_s,
            "rate_per_s": found.rate,
            "interarrival_cv": found.cv,
            "prompt_tokens": _lengths(found.prompt),
            "output_tokens": _lengths(found.output),
            "prefix_reuse": None
            if reuse is None
            else {
                "block": reuse.block,
                "blocks": reuse.blocks,
                "hit_blocks": reuse.hit_blocks,
                "block_hit_rate": reuse.block_rate,
                "token_hit_rate": reuse.token_rate,
            },
            "skipped": dict(self.skipped),
            "notes": list(self.notes),
        }

    def facts(self) -> Rows:
        """What is not about lengths."""
        found, reuse = self.statistics, self.statistics.reuse
        rows: Rows = [("requests", f"{found.requests:,}")]
        if found.following:
            rows.append(("of them sent after an answer", f"{found.following:,}"))
        if found.sessions is not None:
            rows.append(("sessions", f"{found.sessions:,}"))
        rows.append(("from first to last arrival", si(found.duration_s, "s")))
        if found.rate is not None:
            rows.append(("arrivals per second", f"{found.rate:.4g}"))
        if found.cv is not None:
            rows.append(("CV of times between arrivals", f"{found.cv:.4g}"))
        if reuse is not None:
            rows.append((f"blocks of {reuse.block} tokens", f"{reuse.blocks:,}"))
            rows.append(("new to an endless prefix cache", f"{reuse.blocks - reuse.hit_blocks:,}"))
            rows.append(
                ("hit rate of blocks, tokens", f"{100 * reuse.block_rate:.1f} %, {100 * reuse.token_rate:.1f} %")
            )
        rows += [(f"left out: {reason}", f"{count:,}") for reason, count in self.skipped.items()]
        return rows

    def lengths(self) -> tuple[list[str], Rows]:
        """Headers and rows of the table of lengths."""
        headers = ["tokens", "mean", *(f"p{percent:g}" for percent in PERCENTILES), "max"]
        rows: Rows = [
            (name, *(f"{value:,.1f}".removesuffix(".0") for value in (one.mean, *one.percentiles, one.most)))
            for name, one in (("prompt", self.statistics.prompt), ("output", self.statistics.output))
        ]
        return headers, rows


def _lengths(one: Summary) -> dict[str, float]:
    percentiles = {f"p{percent:g}": value for percent, value in zip(PERCENTILES, one.percentiles, strict=True)}
    return {"mean": one.mean, "min": one.least, **percentiles, "max": one.most}


def public() -> tuple[list[str], Rows]:
    """Public traces by name."""
    rows: Rows = [(one.name, one.about, one.licence) for one in entries().values()]
    return ["public trace", "what was recorded", "licence"], rows


def formats() -> tuple[list[str], Rows]:
    """Formats of files."""
    rows: Rows = [(one.name, one.kind, one.holds, ", ".join(sorted(one.keys)) or "-") for one in FORMATS.values()]
    return ["format", "file", "holds", "recognised by"], rows


def generators() -> tuple[list[str], Rows]:
    """Generators and their words."""
    rows: Rows = []
    for one in GENERATORS.values():
        words = (name if word.default is None else f"{name}={word.default}" for name, word in one.parameters.items())
        rows.append((f"{one.name}:", one.makes, ",".join(words)))
    return ["generator", "makes", "words and their defaults"], rows


def listing() -> dict[str, Any]:
    """The JSON document silmark.traces/1."""
    return {
        "schema": "silmark.traces/1",
        "public": [
            {
                "name": one.name, "about": one.about, "format": one.form, "licence": one.licence, "file": one.file,
                "source": one.source.title, "address": one.source.address,
            }
            for one in entries().values()
        ],
        "formats": [
            {"name": one.name, "file": one.kind, "holds": one.holds, "keys": sorted(one.keys)}
            for one in FORMATS.values()
        ],
        "generators": [
            {
                "name": one.name,
                "makes": one.makes,
                "parameters": [
                    {"name": name, "default": word.default, "help": word.help} for name, word in one.parameters.items()
                ],
            }
            for one in GENERATORS.values()
        ],
    }  # fmt: skip
