"""What a trace is like: lengths, arrivals, and how much its prompts share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.workloads.requests import Requests, Trace
from silmark.workloads.traces.prefixes import Tree
from silmark.workloads.traces.rows import Ints

PERCENTILES = (50.0, 90.0, 99.0)
USUAL_BLOCK = 16
"""Tokens of a KV block in vLLM, unless it is told otherwise."""
_MAX_SESSIONS = 10_000_000


@dataclass(frozen=True, slots=True)
class Summary:
    """Tokens of prompts or answers: mean, smallest, largest, and linear percentiles as numpy's, by PERCENTILES."""

    mean: float
    least: int
    most: int
    percentiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reuse:
    """Prompt tokens that an endless prefix cache would have, prompts taken in the order of their rows.

    Attributes:
        block: tokens of a block; the last block of a prompt may be partly filled and counts as one.
        blocks, hit_blocks: of all prompts; those in front of which nothing is new, and which are not new themselves.
        hit_tokens: in these blocks.
        tokens: of all prompts.
    """

    block: int
    blocks: int
    hit_blocks: int
    hit_tokens: int
    tokens: int

    @property
    def block_rate(self) -> float:
        """Hit blocks over blocks."""
        return self.hit_blocks / self.blocks

    @property
    def token_rate(self) -> float:
        """Hit tokens over tokens."""
        return self.hit_tokens / self.tokens


@dataclass(frozen=True, slots=True)
class Statistics:
    """A trace in numbers.

    Attributes:
        requests: in all.
        following: those that wait for an answer instead of stating an arrival.
        sessions: different sessions, None where requests belong to none, or to more than ten million.
        duration_s: from the first arrival to the last.
        rate: stated arrivals over duration; None where there is none.
        cv: standard deviation over mean of the times between arrivals; None where there are none.
        prompt, output: tokens.
        reuse: None where prompts share nothing, or share more than can be kept track of.
    """

    requests: int
    following: int
    sessions: int | None
    duration_s: float
    rate: float | None
    cv: float | None
    prompt: Summary
    output: Summary
    reuse: Reuse | None


def statistics(trace: Trace, block: int = USUAL_BLOCK) -> Statistics:
    """Reads a trace once; raises BadValue if it has no requests.

    Args:
        trace: any.
        block: tokens of a block for what prompts share.
    """
    prompt, output, gaps, shared = _Counts(), _Counts(), _Gaps(), _Shared(block)
    requests, named = 0, set[int]()
    for piece in trace.chunks():
        rows = piece.rows
        requests += rows.size
        prompt.add(rows["prompt"])
        output.add(rows["output"])
        gaps.add(rows["arrival_ns"][rows["delay_ns"] < 0])
        shared.add(piece)
        if len(named) <= _MAX_SESSIONS:
            named.update(np.unique(rows["session"]).tolist())
    named.discard(-1)
    if not requests:
        raise BadValue("trace", trace.name, "at least one request; with a duration, one that arrives before it")
    return Statistics(
        requests,
        requests - gaps.count,
        len(named) if 0 < len(named) <= _MAX_SESSIONS else None,
        gaps.duration_s,
        gaps.count / gaps.duration_s if gaps.duration_s else None,
        gaps.cv,
        prompt.summary(),
        output.summary(),
        shared.reuse(),
    )


@dataclass(slots=True)
class _Counts:
    """How often each length occurs: exact percentiles without keeping the rows."""

    counts: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def add(self, lengths: NDArray[np.int32]) -> None:
        more = np.bincount(lengths, minlength=self.counts.size)
        more[: self.counts.size] += self.counts
        self.counts = more

    def summary(self) -> Summary:
        lengths = np.flatnonzero(self.counts)
        counts = self.counts[lengths]
        upto = np.cumsum(counts)
        total = int(upto[-1])

        def at(percent: float) -> float:
            place = (total - 1) * percent / 100
            low, high = (int(lengths[np.searchsorted(upto, end, side="right")]) for end in _around(place))
            return low + (high - low) * (place - math.floor(place))

        mean = float(lengths @ counts) / total
        return Summary(mean, int(lengths[0]), int(lengths[-1]), tuple(at(percent) for percent in PERCENTILES))


def _around(place: float) -> Sequence[int]:
    return math.floor(place), math.ceil(place)


@dataclass(slots=True)
class _Gaps:
    """Times between arrivals."""

    count: int = 0
    begin: int = 0
    end: int = 0
    squares: float = 0.0

    def add(self, arrivals: Ints) -> None:
        if not arrivals.size:
            return
        gaps = np.diff(arrivals, prepend=self.end if self.count else arrivals[0]).astype(np.float64)
        self.squares += float(gaps @ gaps)
        self.begin = self.begin if self.count else int(arrivals[0])
        self.end, self.count = int(arrivals[-1]), self.count + arrivals.size

    @property
    def duration_s(self) -> float:
        return (self.end - self.begin) / 1e9

    @property
    def cv(self) -> float | None:
        gaps = self.count - 1
        if gaps < 1 or self.end == self.begin:
            return None
        mean = (self.end - self.begin) / gaps
        return math.sqrt(max(0.0, self.squares / gaps - mean * mean)) / mean


@dataclass(slots=True)
class _Shared:
    """What prompts found of earlier ones."""

    block: int
    tree: Tree = field(default_factory=Tree)
    blocks: int = 0
    hit_blocks: int = 0
    hit_tokens: int = 0
    tokens: int = 0
    any: bool = False

    def add(self, piece: Requests) -> None:
        prompts = piece.rows["prompt"].astype(np.int64)
        self.tokens += int(prompts.sum())
        self.blocks += int((-(-prompts // self.block)).sum())
        if not piece.segments.size or self.tree.full:
            return
        self.any = True
        runs = list(zip(piece.segments["start"].tolist(), piece.segments["length"].tolist(), strict=True))
        bounds, made = piece.bounds.tolist(), piece.rows["made"].tolist()
        outputs = piece.rows["output"].tolist()
        for row, prompt in enumerate(prompts.tolist()):
            own = runs[bounds[row] : bounds[row + 1]]
            if not own:
                continue
            known = self.tree.add([*own, (made[row], outputs[row])] if made[row] >= 0 else own)
            if known >= prompt:
                self.hit_blocks, self.hit_tokens = self.hit_blocks + -(-prompt // self.block), self.hit_tokens + prompt
            else:
                self.hit_blocks += known // self.block
                self.hit_tokens += known // self.block * self.block

    def reuse(self) -> Reuse | None:
        if not self.any or self.tree.full:
            return None
        return Reuse(self.block, self.blocks, self.hit_blocks, self.hit_tokens, self.tokens)
