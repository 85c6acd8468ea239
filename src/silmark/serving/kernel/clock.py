"""How long a step of an engine takes and what it spends, read from tables.

A step is one pass over the weights, whatever it mixes:

    step = body(tokens) + head(sequences) + attention(decoders, context) + sum of attention(chunk)

Attention of decodes is piecewise linear in the tokens in sight, between knots of the mean context. Tables hold its
integral A over the context, divided by the decoders: the attention of one step is A(context + decoders) - A(context),
the mean over what a step adds, and that of k steps in a row is A(context + k decoders) - A(context). The sum
telescopes, so that many steps cost as much to evaluate as one, and to the nanosecond the same as one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from silmark.serving.bundles import bundle
from silmark.serving.jit import inner
from silmark.serving.options import EngineOptions

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_ROUNDS = 3


@bundle
class Clock(NamedTuple):
    """Tables of engines, the first axis of all: kind of replica. Times in nanoseconds, energies in joules above idle.

    Attributes:
        body_ns, body_j: [kind, tokens], of all that depends on a step's tokens, and a step's fixed time.
        head_ns, head_j: [kind, sequences], of what is computed for sequences that get a token.
        alone_ns, alone_j: [kind, decoders], of both in a step of decodes only.
        width: [kind], tokens of a decode: one, and its drafts.
        knots: [kind, segment], mean contexts where attention bends.
        shift: [kind], bits of a mean context that do not choose its segment.
        segment: [kind, mean context >> shift], where it lies between the knots.
        area_ns, area_j: [kind, decoders, segment, 3], attention's integral over the context per decoder: at the knot,
            and factors of the tokens beyond the knot and of their square.
        mixed_ns, mixed_j: the same where a step holds prompts as well: one kernel may serve both, made for prompts.
        sizes: [kind, row], new tokens of a chunk where `chunk_ns` has rows.
        row: [kind, new tokens], the row at or below.
        prompt_ns, prompt_j: [kind, row, segment], attention of one prompt's chunk, by new and cached tokens.
        lead_ns: [kind], from the decision to the start of a step when the engine was idle.
        tail_ns: [kind], from the end of a step until its tokens reach the client.
        request_ns: [kind], from a request's arrival until the scheduler sees it.
    """

    body_ns: Ints
    body_j: Floats
    head_ns: Ints
    head_j: Floats
    alone_ns: Ints
    alone_j: Floats
    width: Ints
    knots: Ints
    shift: Ints
    segment: NDArray[np.int16]
    area_ns: Floats
    area_j: Floats
    mixed_ns: Floats
    mixed_j: Floats
    sizes: Ints
    row: NDArray[np.int16]
    prompt_ns: Floats
    prompt_j: Floats
    lead_ns: Ints
    tail_ns: Ints
    request_ns: Ints


@inner
def _area(clock: Clock, table: Floats, kind: int, decoders: int, context: int) -> float:
    """Attention's integral up to a context, in the unit of the table."""
    cell = min((context // decoders) >> clock.shift[kind], clock.segment.shape[1] - 1)
    at = clock.segment[kind, cell]
    beyond = float(context - clock.knots[kind, at] * decoders)
    return float(
        table[kind, decoders, at, 0] + beyond * (table[kind, decoders, at, 1] + beyond * table[kind, decoders, at, 2])
    )


@inner
def _between_ns(clock: Clock, table: Floats, kind: int, decoders: int, first: int, last: int) -> int:
    """Attention's integral between two contexts, both ends in whole nanoseconds."""
    return int(_area(clock, table, kind, decoders, last)) - int(_area(clock, table, kind, decoders, first))


@inner
def _between_j(clock: Clock, table: Floats, kind: int, decoders: int, first: int, last: int) -> float:
    """The same in joules."""
    return _area(clock, table, kind, decoders, last) - _area(clock, table, kind, decoders, first)


@inner
def _chunk(clock: Clock, table: Floats, kind: int, new: int, past: int) -> float:
    """One prompt's chunk, read from a table by new and cached tokens."""
    row = clock.row[kind, min(new, clock.row.shape[1] - 1)]
    lower, upper = clock.sizes[kind, row], clock.sizes[kind, row + 1]
    high = (new - lower) / (upper - lower)
    at = clock.segment[kind, min(past >> clock.shift[kind], clock.segment.shape[1] - 1)]
    left, right = clock.knots[kind, at], clock.knots[kind, at + 1]
    far = (past - left) / (right - left)
    near = table[kind, row, at] + (table[kind, row + 1, at] - table[kind, row, at]) * high
    next_ = table[kind, row, at + 1] + (table[kind, row + 1, at + 1] - table[kind, row, at + 1]) * high
    return float(near + (next_ - near) * far)


@inner
def chunk_ns(clock: Clock, kind: int, new: int, past: int) -> float:
    """Attention of `new` tokens of one prompt after `past` cached ones, nanoseconds."""
    return _chunk(clock, clock.prompt_ns, kind, new, past)


@inner
def chunk_j(clock: Clock, kind: int, new: int, past: int) -> float:
    """The same in joules above idle."""
    return _chunk(clock, clock.prompt_j, kind, new, past)


@inner
def step_ns(clock: Clock, kind: int, tokens: int, sequences: int, decoders: int, context: int, chunks_ns: float) -> int:
    """Duration of one step.

    Args:
        clock: tables.
        kind: of replica.
        tokens: in all.
        sequences: that get a token.
        decoders: sequences of these that add to a cache of `context` tokens in sum.
        context: tokens cached before the step.
        chunks_ns: sum of `chunk_ns` of the prompts' chunks.
    """
    if tokens == decoders * clock.width[kind]:
        attention = _between_ns(clock, clock.area_ns, kind, decoders, context, context + decoders)
        return int(clock.alone_ns[kind, decoders] + attention)
    attention = int(chunks_ns)
    if decoders > 0:
        attention += _between_ns(clock, clock.mixed_ns, kind, decoders, context, context + decoders)
    return int(clock.body_ns[kind, tokens] + clock.head_ns[kind, sequences] + attention)


@inner
def step_j(clock: Clock, kind: int, tokens: int, sequences: int, decoders: int, context: int, chunks_j: float) -> float:
    """Joules above idle of one step; arguments as of `step_ns`."""
    if tokens == decoders * clock.width[kind]:
        attention = _between_j(clock, clock.area_j, kind, decoders, context, context + decoders)
        return float(clock.alone_j[kind, decoders] + attention)
    attention = chunks_j
    if decoders > 0:
        attention += _between_j(clock, clock.mixed_j, kind, decoders, context, context + decoders)
    return float(clock.body_j[kind, tokens] + clock.head_j[kind, sequences] + attention)


@inner
def run_ns(clock: Clock, kind: int, decoders: int, context: int, steps: int) -> int:
    """Duration of `steps` steps of nothing but decodes, one after the other: what `step_ns` adds up to."""
    attention = _between_ns(clock, clock.area_ns, kind, decoders, context, context + steps * decoders)
    return int(steps * clock.alone_ns[kind, decoders] + attention)


@inner
def run_j(clock: Clock, kind: int, decoders: int, context: int, steps: int) -> float:
    """Joules above idle of the same."""
    attention = _between_j(clock, clock.area_j, kind, decoders, context, context + steps * decoders)
    return float(steps * clock.alone_j[kind, decoders] + attention)


@inner
def steps_until(clock: Clock, kind: int, decoders: int, context: int, limit_ns: int, most: int) -> int:
    """The fewest steps of decodes that take `limit_ns` together, at most `most`."""
    if limit_ns <= 0 or most <= 0:
        return 0
    if run_ns(clock, kind, decoders, context, most) < limit_ns:
        return most
    # Steps grow, evenly: Newton's method from the right, then whole steps.
    steps = most
    for _ in range(_ROUNDS):
        over = run_ns(clock, kind, decoders, context, steps) - limit_ns
        last = run_ns(clock, kind, decoders, context + (steps - 1) * decoders, 1)
        steps = min(most, max(1, steps - over // last))
        if 0 <= over < last:
            break
    while steps > 1 and run_ns(clock, kind, decoders, context, steps - 1) >= limit_ns:
        steps -= 1
    while run_ns(clock, kind, decoders, context, steps) < limit_ns:
        steps += 1
    return steps


def even(kinds: Sequence[EngineOptions], step_ns: int = 1) -> Clock:
    """A clock by which every step of every engine takes the same time and no energy: to look at decisions alone.

    Args:
        kinds: the engines.
        step_ns: of every step.
    """
    seqs = max(options.max_num_seqs for options in kinds) + 1
    tokens = max(options.max_num_batched_tokens for options in kinds) + 1
    count = len(kinds)
    cells = np.zeros((count, 1), dtype=np.int16)
    none = np.zeros(count, dtype=np.int64)
    return Clock(
        body_ns=np.full((count, tokens), step_ns),
        body_j=np.zeros((count, tokens)),
        head_ns=np.zeros((count, seqs), dtype=np.int64),
        head_j=np.zeros((count, seqs)),
        alone_ns=np.full((count, seqs), step_ns),
        alone_j=np.zeros((count, seqs)),
        width=np.array([1 + options.draft_tokens for options in kinds]),
        knots=np.tile(np.array([0, 1 << 40]), (count, 1)),
        shift=none + 40,
        segment=cells,
        area_ns=np.zeros((count, seqs, 1, 3)),
        area_j=np.zeros((count, seqs, 1, 3)),
        mixed_ns=np.zeros((count, seqs, 1, 3)),
        mixed_j=np.zeros((count, seqs, 1, 3)),
        sizes=np.tile(np.array([0, 1 << 40]), (count, 1)),
        row=np.zeros((count, 1), dtype=np.int16),
        prompt_ns=np.zeros((count, 2, 2)),
        prompt_j=np.zeros((count, 2, 2)),
        lead_ns=none,
        tail_ns=none,
        request_ns=none,
    )
