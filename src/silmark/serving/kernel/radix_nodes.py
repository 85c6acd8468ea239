"""Nodes of a radix tree, their runs of tokens, and the list of the leaves that can be evicted."""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner
from silmark.serving.kernel.state import FIRST_RATIO, NONE, State

NODE = np.dtype(
    [
        ("digest", np.uint64),
        ("used", np.int64),
        ("parent", np.int64),
        ("length", np.int64),
        ("runs", np.int64),
        ("children", np.int64),
        ("locks", np.int64),
        ("listed", np.int64),
        ("older", np.int64),
        ("newer", np.int64),
    ],
    align=True,
)
"""A node of a radix tree: the digest of its parent and its first page; when it was last used; its parent (of a free one
the next free one), tokens, first run and number of children; requests that keep it; its neighbours in the list of
evictable leaves, if `listed`."""

RUN = np.dtype([("start", np.int64), ("length", np.int64), ("next", np.int64)], align=True)
"""Tokens of a node whose ids count up from `start`, and the run after it."""

_DEPTH = 20
"""Bits of a time that tell the nodes of one path apart."""


@inner
def new_run(state: State, replica: int, start: int, length: int) -> int:
    """A run of ids, for a node to hold."""
    engine = state.engines[replica]
    run = engine["free_run"]
    if run == NONE:
        run = engine["first_run"] + engine["runs"]
        engine["runs"] += 1
    else:
        engine["free_run"] = state.runs[run]["next"]
    state.runs[run]["start"] = start
    state.runs[run]["length"] = length
    state.runs[run]["next"] = NONE
    return int(run)


@inner
def new_node(state: State, replica: int, parent: int, length: int, digest: np.uint64) -> int:
    """A node below another; the caller gives it its runs."""
    engine = state.engines[replica]
    node = engine["free_node"]
    if node == NONE:
        node = engine["first_node"] + engine["nodes"]
        engine["nodes"] += 1
    else:
        engine["free_node"] = state.nodes[node]["parent"]
    one = state.nodes[node]
    one["parent"] = parent
    one["length"] = length
    one["digest"] = digest
    one["children"] = 0
    one["locks"] = 0
    one["listed"] = 0
    one["runs"] = NONE
    one["used"] = tick(state, replica)
    return int(node)


@inner
def tick(state: State, replica: int) -> int:
    """A time that is later than all before."""
    engine = state.engines[replica]
    engine["uses"] += 1
    return int(engine["uses"] << _DEPTH)


@inner
def unlist(state: State, replica: int, node: int) -> None:
    """Takes a node out of the list of evictable leaves."""
    engine, one = state.engines[replica], state.nodes[node]
    if one["listed"] == 0:
        return
    one["listed"] = 0
    if one["older"] == NONE:
        engine["oldest_leaf"] = one["newer"]
    else:
        state.nodes[one["older"]]["newer"] = one["newer"]
    if one["newer"] == NONE:
        engine["newest_leaf"] = one["older"]
    else:
        state.nodes[one["newer"]]["older"] = one["older"]


@inner
def list_leaf(state: State, replica: int, node: int, from_old: bool) -> None:
    """Puts a node among the evictable leaves if it is one, looking for its place from one of the ends."""
    engine, one = state.engines[replica], state.nodes[node]
    if one["listed"] == 1 or one["locks"] > 0 or one["children"] > 0 or one["parent"] == NONE:
        return
    if from_old:
        newer = engine["oldest_leaf"]
        while newer != NONE and state.nodes[newer]["used"] < one["used"]:
            newer = state.nodes[newer]["newer"]
        older = engine["newest_leaf"] if newer == NONE else state.nodes[newer]["older"]
    else:
        older = engine["newest_leaf"]
        while older != NONE and state.nodes[older]["used"] > one["used"]:
            older = state.nodes[older]["older"]
        newer = engine["oldest_leaf"] if older == NONE else state.nodes[older]["newer"]
    one["listed"] = 1
    one["older"] = older
    one["newer"] = newer
    if older == NONE:
        engine["oldest_leaf"] = node
    else:
        state.nodes[older]["newer"] = node
    if newer == NONE:
        engine["newest_leaf"] = node
    else:
        state.nodes[newer]["older"] = node


@inner
def use(state: State, replica: int, node: int, time: int) -> None:
    """Notes when a node was used."""
    state.nodes[node]["used"] = time
    if state.nodes[node]["listed"] == 1:
        unlist(state, replica, node)
        list_leaf(state, replica, node, False)


@inner
def count_evictable(state: State, replica: int, pages: int) -> None:
    """So many pages have become evictable."""
    state.engines[replica]["cached"] += pages
    state.engines[replica]["free"] += pages
    state.totals[0]["free_blocks"] += pages


@inner
def forget_ended(engine: np.void) -> None:
    """Nobody has ended since the last decision."""
    engine["ended"] = 0
    engine["ended_tokens"] = 0
    engine["ended_most"] = 0


@inner
def uproot(state: State, replica: int) -> None:
    """Leaves a tree with no more than its root, and an engine of SGLang's as it was when it started."""
    engine = state.engines[replica]
    settings = state.settings[engine["kind"]]
    state.nodes[engine["first_node"]]["children"] = 0
    for at in range(engine["first_edge"], engine["first_edge"] + settings["entries"]):
        state.edges[at] = 0
    engine["nodes"] = 1
    engine["runs"] = 0
    engine["cached"] = 0
    engine["free_node"] = NONE
    engine["free_run"] = NONE
    engine["oldest_leaf"] = NONE
    engine["newest_leaf"] = NONE
    engine["chunked"] = NONE
    engine["full"] = 0
    engine["last_prefill"] = 0
    engine["merged"] = 0
    engine["standing"] = 0
    engine["first_standing"] = NONE
    forget_ended(engine)
    engine["passes"] = 0
    engine["ratio"] = min(FIRST_RATIO * settings["conservativeness"], 1.0)
    engine["ratio_steps"] = 0
