"""Traces of requests: public ones by name, files of anybody, generators; and what they are like.

    spec          what a user types to a trace: open
    catalogue     public traces by name
    formats       formats of files, one module each
    reader        a file as requests: broken rows refused or counted, arrivals in order
    cells, records, lines    text to columns: CSV, JSON, blocks of lines
    generators    arrivals, lengths, users, sessions
    shape, copies            other rates, parts, copies of a trace
    statistics, prefixes     what a trace is like, what its prompts share

Ids of tokens: a file's own ids lie below 2^50 (an id of a block stands for as many ids of tokens as the block has), ids
that a reader has to invent from 2^50 on, and a generator counts up from 0, shared beginnings first. Copies of a trace
are moved up by what one copy takes. A row without ids shares its prompt with nobody.
"""

from silmark.workloads.traces.formats import FORMATS
from silmark.workloads.traces.generators import GENERATORS
from silmark.workloads.traces.spec import Asked
from silmark.workloads.traces.spec import open_trace as open  # noqa: A004 - `traces.open` reads as it is meant
from silmark.workloads.traces.statistics import Statistics, statistics
from silmark.workloads.traces.stream import Stream

__all__ = ["FORMATS", "GENERATORS", "Asked", "Statistics", "Stream", "open", "statistics"]
