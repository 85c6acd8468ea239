"""The documented shape of the JSON that `silmark trace` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from silmark.report.documents import Strict


class LengthsDocument(Strict):
    """Tokens of prompts or answers."""

    mean: float
    min: int
    p50: float
    p90: float
    p99: float
    max: int


class ReuseDocument(Strict):
    """What an endless prefix cache would have of the prompts, in the order of the trace."""

    block: int = Field(description="tokens of a block")
    blocks: int = Field(description="of all prompts, partly filled ones included")
    hit_blocks: int
    block_hit_rate: float
    token_hit_rate: float


class TraceDocument(Strict):
    """`silmark trace show --json`."""

    schema_: Literal["silmark.trace/1"] = Field(alias="schema")
    trace: str
    requests: int
    requests_following: int = Field(description="sent after an answer instead of at a time")
    sessions: int | None
    duration_s: float = Field(description="from the first arrival to the last")
    rate_per_s: float | None = Field(description="arrivals over duration")
    interarrival_cv: float | None = Field(description="standard deviation over mean of the times between arrivals")
    prompt_tokens: LengthsDocument
    output_tokens: LengthsDocument
    prefix_reuse: ReuseDocument | None = Field(description="null where prompts share nothing")
    skipped: dict[str, int] = Field(description="rows of the file that were left out, by reason")
    notes: list[str]


class PublicTraceDocument(Strict):
    """A public trace; `file` is its place below the folder traces of SILMARK_DATA."""

    name: str
    about: str
    format: str
    licence: str
    file: str
    source: str
    address: str


class TraceFormatDocument(Strict):
    """A format of trace files."""

    name: str
    file: Literal["csv", "jsonl", "json", "parquet"]
    holds: str
    keys: list[str] = Field(description="columns or keys by which it is recognised")


class TraceParameterDocument(Strict):
    """A word of a generator; without a default it has to be given."""

    name: str
    default: str | None
    help: str


class TraceGeneratorDocument(Strict):
    """A generator of traces."""

    name: str
    makes: str
    parameters: list[TraceParameterDocument]


class TracesDocument(Strict):
    """`silmark trace list --json`."""

    schema_: Literal["silmark.traces/1"] = Field(alias="schema")
    public: list[PublicTraceDocument]
    formats: list[TraceFormatDocument]
    generators: list[TraceGeneratorDocument]


DOCUMENTS: dict[str, type[BaseModel]] = {"trace": TraceDocument, "traces": TracesDocument}
