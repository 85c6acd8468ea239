"""State: everything a simulation knows at one moment, as arrays that compiled functions read and write.

Records are found by number: a request in flight by its place in `live`, an engine (one replica) by its place in
`engines`, a KV block by its place in `blocks`. Lists of varying length lie in arenas, of which a record holds start and
length; `arenas.py` packs them when they run full. `hits` and `order` hold what one decision works on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from silmark.serving.bundles import bundle
from silmark.serving.kernel.clock import Clock
from silmark.serving.kernel.rules import Links

NONE = -1
"""No record."""
STOPPED = -1
"""Of a step, instead of the number of its members: it is decided once blocks are told apart."""
NEVER = np.iinfo(np.int64).max
"""A time that does not come."""
FIRST_RATIO = 0.7
"""SGLANG_INIT_NEW_TOKEN_RATIO: share of the tokens that requests may make that they are first expected to make."""
ABSENT, QUEUED, RUNNING, PREEMPTED, LOADING, PENDING, GONE, HELD, PARKED, STANDING = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
"""Where a request stands: its place is free; waiting; running; waiting again; its KV is on the way; not with an engine
yet; answered, but a step in flight still has it; prefilled, its blocks wait to be read; sent, but no replica is up;
its KV is there, but no seat is free."""
DOWN, UP, STARTING, DRAINING, FAILED = 0, 1, 2, 3, 4
"""Where a replica stands: off; takes requests; loads its weights; takes no more, and ends with its last; failed."""

SEND, DELIVER, HANDED, ARRIVED, AGAIN, LEAVE = 0, 1, 2, 3, 4, 5
"""Events: a request is sent; reaches its engine's scheduler; was prefilled elsewhere; its KV is there; it is sent anew;
it is lost."""

LIVE = np.dtype(
    [
        ("name", np.int64),
        ("arrival_ns", np.int64),
        ("delay_ns", np.int64),
        ("scheduled_ns", np.int64),
        ("first_ns", np.int64),
        ("last_ns", np.int64),
        ("rank", np.int64),
        ("session", np.int64),
        ("made", np.int64),
        ("eligible", np.int64),
        ("ready_ns", np.int64),
        ("joules", np.float64),
        ("segment", np.int64),
        ("table", np.int64),
        ("segments", np.int64),
        ("room", np.int64),
        ("prompt", np.int64),
        ("output", np.int64),
        ("priority", np.int64),
        ("status", np.int64),
        ("replica", np.int64),
        ("computed", np.int64),
        ("done", np.int64),
        ("placeholders", np.int64),
        ("flying", np.int64),
        ("stale", np.int64),
        ("drafts", np.int64),
        ("chunk", np.int64),
        ("skipped", np.int64),
        ("held", np.int64),
        ("hashed", np.int64),
        ("known", np.int64),
        ("cached", np.int64),
        ("preemptions", np.int64),
        ("retries", np.int64),
        ("follower", np.int64),
        ("partner", np.int64),
        ("leg", np.int64),
        ("fetch", np.int64),
        ("owed", np.int64),
        ("landed", np.int64),
        ("keyed", np.int64),
        ("stored", np.int64),
        ("storing", np.int64),
        ("pinned", np.int64),
        ("used", np.int64),
        ("beside", np.int64),
        ("parting", np.int64),
        ("next", np.int64),
        ("due_ns", np.int64),
        ("charge", np.int64),
        ("share", np.int64),
        ("left", np.int64),
        ("right", np.int64),
        ("node", np.int64),
        ("alone", np.int64),
        ("key", np.int64),
    ],
    align=True,
)
"""A request in flight.

name: row number in the trace. arrival_ns, scheduled_ns, first_ns, last_ns: as in records.ANSWERED; -1 before they are
known. delay_ns: from the end of the row before. rank: place among the waiting of equal priority. session, made: as in
workloads.requests.REQUEST. joules: its share of the steps so far. segment, segments: where its prompt's runs of tokens
lie, and how many. table, room, held: where its block table lies, how many blocks it may come to, how many it holds.
prompt, output: tokens of the prompt, and of the answer when it is complete. computed, done: tokens whose KV is computed
or being computed, tokens made (vLLM: num_computed_tokens, num_output_tokens). placeholders: tokens that steps in flight
will make (vLLM: num_output_placeholders). flying, stale: tokens of steps in flight, and those of them that were
scheduled before a preemption. drafts: proposed tokens to verify. chunk: its last step made no token. skipped: it was
passed over in the queue. eligible: the decision from which on it may decode again; ready_ns: when its last step
returns. hashed: blocks that the prefix cache knows; known: as long as blocks are not told apart, the tokens up to which
it would know them. cached: tokens found in the prefix cache at the first admission. fetch: tokens whose KV is to be
brought; owed: blocks that it needs besides those which that takes; landed: it is there, or failed to come. follower:
the request that waits for its end.
Of the tier below the cache: keyed: blocks whose digests stand in `keys`. stored: blocks that were offered to it;
storing: the decision by which all of them are there. pinned: the first of those that are read from it, up to `stored`.
used: when it began to use blocks there; beside: one that stands where its others do. parting, next: it has ended and is
still to be settled, and who is after it.
Of queues: left, right: children in a heap of waiting requests; left also links free places.
node: last node of SGLang's radix tree that it has locked. key, alone: what a schedule policy works with.
"""

ENGINE = np.dtype(
    [
        ("kind", np.int64),
        ("pool", np.int64),
        ("up", np.int64),
        ("away", np.int64),
        ("loading", np.int64),
        ("promised", np.int64),
        ("running", np.int64),
        ("waiting", np.int64),
        ("root", np.int64),
        ("free", np.int64),
        ("head", np.int64),
        ("tail", np.int64),
        ("first_block", np.int64),
        ("first_entry", np.int64),
        ("flying", np.int64),
        ("oldest", np.int64),
        ("stuck", np.int64),
        ("bound", np.int64),
        ("skipped", np.int64),
        ("calls", np.int64),
        ("moved", np.int64),
        ("ratio_steps", np.int64),
        ("ratio", np.float64),
        ("rank_back", np.int64),
        ("rank_front", np.int64),
        ("next_ns", np.int64),
        ("free_ns", np.int64),
        ("end_ns", np.int64),
        ("run_from", np.int64),
        ("run_steps", np.int64),
        ("run_context", np.int64),
        ("steps", np.int64),
        ("busy_ns", np.int64),
        ("joules", np.float64),
        ("prefill_step", np.int64),
        ("load", np.int64),
        ("active", np.int64),
        ("prefilling", np.int64),
        ("share", np.int64),
        ("tier", np.int64),
        ("host_ns", np.int64),
        ("port_ns", np.int64),
        ("port", np.float64),
        ("ready_ns", np.int64),
        ("paid_from", np.int64),
        ("paid_ns", np.int64),
        ("seed", np.int64),
        ("full", np.int64),
        ("chunked", np.int64),
        ("last_prefill", np.int64),
        ("merged", np.int64),
        ("standing", np.int64),
        ("first_standing", np.int64),
        ("last_standing", np.int64),
        ("ended", np.int64),
        ("ended_tokens", np.int64),
        ("ended_most", np.int64),
        ("cached", np.int64),
        ("nodes", np.int64),
        ("runs", np.int64),
        ("free_node", np.int64),
        ("free_run", np.int64),
        ("oldest_leaf", np.int64),
        ("newest_leaf", np.int64),
        ("first_node", np.int64),
        ("first_run", np.int64),
        ("first_edge", np.int64),
        ("uses", np.int64),
        ("passes", np.int64),
    ],
    align=True,
)
"""One replica's engine.

kind: row of settings and clock. pool: which requests it takes (`routers`). up: UP if it takes any. away: requests that
hold blocks here and neither wait nor run; loading: those of them whose KV is brought; promised: blocks that they still
need. running, waiting: how many; root: the waiting request that is next. free, head, tail: free blocks as a doubly
linked list, the next to be handed out first. first_block, first_entry: where its blocks and its table of digests start.
flying, oldest: batches in flight, in a ring. stuck: the first in the queue did not fit at the last step and nothing was
freed since. bound: the last step that could take prompts left some waiting, besides the `skipped` ones. calls:
decisions so far. moved: `steps` when a token was last made or a request came. ratio, ratio_steps: SGLang's new-token
ratio and the steps since it was set. rank_back, rank_front: next ranks at both ends of the queue. next_ns: when it acts
next. free_ns, end_ns: when its first stage is free, and when the last batch leaves the last one. run_from, run_steps,
run_context: a run of equal decode steps under way: from when, how many, over how many tokens at first. steps, busy_ns,
joules: so far. prefill_step: the last step with prompts in it. load, active, prefilling, share: what its router counts
(`charges.py`): tokens of prompts sent to it and not answered, how many these are, their tokens without an answer yet,
and their blocks. tier: the row of the memory below its cache; host_ns: when the link to that is free. port_ns: when its
network port is free; port: times what transfers take. ready_ns: when it has started. paid_from, paid_ns: since when it
is paid for, and for how long before. seed: of chances.
Of a tier: head, tail: its blocks in the order in which they go. calls: decisions of its engine; moved: by which of them
all copies have arrived. rank_back: uses so far. root: the first of those that have ended and are still to be settled.
Of SGLang's: full: its batch counts as full, no prefill is tried. chunked: the request whose prompt goes on in the next
step. last_prefill: the last step was one. merged: requests that could decode then. standing, first_standing,
last_standing: requests whose KV is there and that wait for a seat, as a list. ended, ended_tokens, ended_most: requests
that ended since the last decision, their tokens, and the most that one of them could have come to. cached: evictable
pages of the tree.
nodes, runs, free_node, free_run, first_node, first_run, first_edge: where its nodes, their runs and its table of edges
start, how many were ever used, and the first free ones. oldest_leaf, newest_leaf: ends of the list of evictable leaves.
uses: of nodes so far, the tree's clock. passes: over the queue so far.
"""

BLOCK = np.dtype(
    [
        ("digest", np.uint64),
        ("refs", np.int64),
        ("before", np.int64),
        ("after", np.int64),
        ("twin", np.int64),
        ("order", np.int64),
        ("ready", np.int64),
    ],
    align=True,
)
"""A KV block: digest of its tokens and all before them (0: none), requests that use it, neighbours in the free
list, the next block of equal digest. In a tier: requests that read it; order: when it was used last; ready: the
decision from which on it is there."""

KEY = np.dtype([("digest", np.uint64), ("seen", np.bool_)], align=True)
"""Of a block of a request, where there is a tier: its digest, and whether the request has used it there."""

BATCH = np.dtype(
    [
        ("start_ns", np.int64),
        ("end_ns", np.int64),
        ("joules", np.float64),
        ("size", np.int64),
        ("tokens", np.int64),
        ("decoders", np.int64),
    ],
    align=True,
)
"""A step in flight: its time, energy above idle, requests, tokens, and how many of the requests decode."""

MEMBER = np.dtype(
    [("live", np.int64), ("tokens", np.int64), ("drafts", np.int64), ("makes", np.int64), ("prefill", np.int64)],
    align=True,
)
"""A request of a batch: its tokens, drafted ones among them, whether the step makes a token of it, and whether it is
part of SGLang's prefill, which publishes what it computed."""

EVENT = np.dtype([("time_ns", np.int64), ("kind", np.int64), ("serial", np.int64), ("what", np.int64)], align=True)
"""Something that happens to a request at a time; at equal times by kind, then in the order in which it was noted."""

SAMPLE = np.dtype(
    [("time_ns", np.int64), ("running", np.int64), ("waiting", np.int64), ("free_blocks", np.int64)], align=True
)
"""The whole fleet at one moment."""

TOTALS = np.dtype(
    [
        ("now", np.int64),
        ("free_live", np.int64),
        ("places", np.int64),
        ("named", np.int64),
        ("segments", np.int64),
        ("tables", np.int64),
        ("events", np.int64),
        ("noted", np.int64),
        ("answered", np.int64),
        ("steps", np.int64),
        ("moves", np.int64),
        ("samples", np.int64),
        ("sample_every", np.int64),
        ("sample_at", np.int64),
        ("running", np.int64),
        ("waiting", np.int64),
        ("free_blocks", np.int64),
        ("open", np.int64),
        ("limit", np.int64),
        ("tokens_in", np.int64),
        ("tokens_out", np.int64),
        ("made_step", np.int64),
        ("largest", np.int64),
        ("stopped", np.int64),
        ("endless", np.bool_),
        ("apart", np.bool_),
        ("answers", np.bool_),
        ("log_steps", np.bool_),
        ("one_by_one", np.bool_),
    ],
    align=True,
)
"""The one row of `State.totals`.

now: the clock. free_live, places: first free place in live, and how many there are. named: rows read so far. segments,
tables: ends of the arenas. events, answered, steps, moves, samples: rows in use. noted: events so far. sample_every,
sample_at: spacing of the samples and the next one. running, waiting, free_blocks: of the whole fleet. open, limit:
requests sent and not answered, and how many there may be (0: any number). tokens_in, tokens_out: computed and made.
made_step: from the id of a generated token to that of the next. largest: blocks that the largest request so far may
come to. stopped: the replica that waits in the middle of its turn for blocks to be told apart. endless: requests
preempt each other for ever. apart: blocks are told apart. answers: some have ids that a prompt may have too. log_steps:
steps are kept. one_by_one: steps are never run together.
"""


@bundle
class State(NamedTuple):
    """The arrays. Two-dimensional ones have a row per engine; `members` a row per engine and batch.

    `policies` is empty: its type says whose schedulers the fleet has (`words.mark`).
    """

    led: NDArray[np.signedinteger[Any]]
    policies: NDArray[np.signedinteger[Any]]
    settings: NDArray[np.void]
    clock: Clock
    engines: NDArray[np.void]
    live: NDArray[np.void]
    running: NDArray[np.int64]
    batches: NDArray[np.void]
    members: NDArray[np.void]
    blocks: NDArray[np.void]
    entries: NDArray[np.int64]
    tables: NDArray[np.int64]
    keys: NDArray[np.void]
    segments: NDArray[np.void]
    nodes: NDArray[np.void]
    runs: NDArray[np.void]
    edges: NDArray[np.int64]
    hits: NDArray[np.int64]
    order: NDArray[np.int64]
    events: NDArray[np.void]
    answered: NDArray[np.void]
    steps: NDArray[np.void]
    moves: NDArray[np.void]
    samples: NDArray[np.void]
    gaps: NDArray[np.int64]
    totals: NDArray[np.void]
    rules: NDArray[np.void]
    changes: NDArray[np.void]
    links: Links
    costs: NDArray[np.float64]
