"""Formats of trace files, one module each, and how a file's own content says which it is."""

from __future__ import annotations

from pathlib import Path

from silmark.errors import BadFile, UnknownName
from silmark.workloads.traces import lines
from silmark.workloads.traces.formats import azure, bailian, burstgpt, llmservingsim, mooncake, plain, sharegpt
from silmark.workloads.traces.formats.format import SHIFTS, Format, Reading
from silmark.workloads.traces.formats.tables import names_in
from silmark.workloads.traces.records import first_keys

__all__ = ["FORMATS", "SHIFTS", "Format", "Reading", "named", "recognised"]

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        azure.FORMAT,
        burstgpt.FORMAT,
        bailian.FORMAT,
        mooncake.FORMAT,
        llmservingsim.FORMAT,
        sharegpt.FORMAT,
        plain.CSV,
        plain.JSONL,
        plain.PARQUET,
    )
}
"""By name, in the order in which a file is tried: those with more keys before those whose keys they include."""


def named(name: str) -> Format:
    """The format of that name; raises UnknownName."""
    if name not in FORMATS:
        raise UnknownName("trace format", name, FORMATS, hint=f"known are {', '.join(FORMATS)}")
    return FORMATS[name]


def recognised(path: Path) -> Format:
    """The format of a file, by its first bytes; raises BadFile where it is none."""
    head = lines.head(path).lstrip()
    if head.startswith(b"PAR1"):
        return plain.PARQUET
    if b"\0" in head:
        raise BadFile(path, "a binary file, not a trace")
    if not head:
        raise BadFile(path, "an empty file")
    if head.startswith(b"["):
        return sharegpt.FORMAT
    kind, keys = ("jsonl", first_keys(head)) if head.startswith(b"{") else ("csv", names_in(head.partition(b"\n")[0]))
    lower = {key.lower() for key in keys}
    return next(one for one in FORMATS.values() if one.kind == kind and one.keys <= lower)
