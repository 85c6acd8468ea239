"""A radix tree of KV pages, as SGLang keeps them (0.5.23: mem_cache/unified_cache/unified_tree_core.py).

A node stands for a stretch of tokens, a whole number of pages, as runs of ascending ids; children differ in their first
page. Requests lock the path to the last node they use. What is not locked can be evicted: whole leaves, the one that
was not used for the longest time first; a node whose last child has gone is a leaf in turn. Evictable leaves stand in a
list by the time of their last use. The engine's `free` counts free pages and evictable ones, `cached` the latter.
"""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner
from silmark.serving.kernel.state import NONE, State

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_DEPTH = 20
"""Bits of a time that tell the nodes of one path apart."""
_OWN = 22
"""Bits of an id that nobody else holds: its place in the request."""


@inner
def piece(state: State, request: int, index: int, begin: int) -> tuple[int, int]:
    """One run of a request's tokens: its first id and its length.

    Args:
        index: number of the run; prompts' runs come first, then the answer.
        begin: tokens before it.
    """
    one = state.live[request]
    alone = -((one["name"] + 1) << _OWN) + begin
    if begin >= one["prompt"] and index >= one["segments"]:
        made = one["made"]
        return alone if made == NONE else made + begin - one["prompt"], one["output"] + 1
    if index >= one["segments"]:
        return alone, one["prompt"] - begin
    run = state.segments[one["segment"] + index]
    return run["start"], min(run["length"], one["prompt"] - begin)


@inner
def _mix(digest: np.uint64, token: int) -> np.uint64:
    mixed = (digest ^ np.uint64(token)) * _FACTOR
    return np.uint64(mixed ^ (mixed >> _SHIFT))


@inner
def _page_digest(state: State, request: int, at: int, index: int, begin: int, parent: int, page: int) -> np.uint64:
    """Name of the edge that leaves a node with the page at a request's token `at`."""
    digest = _mix(_FACTOR, parent)
    token = at
    while token < at + page:
        start, length = piece(state, request, index, begin)
        if token >= begin + length:
            index, begin = index + 1, begin + length
            continue
        until = min(begin + length, at + page)
        for one in range(token, until):
            digest = _mix(digest, start + one - begin)
        token = until
    return digest


@inner
def _node_digest(state: State, node: int, parent: int, page: int) -> np.uint64:
    """The same for the first page of a node."""
    digest, token, run = _mix(_FACTOR, parent), 0, state.nodes[node]["runs"]
    while token < page:
        until = min(page - token, state.runs[run]["length"])
        for one in range(until):
            digest = _mix(digest, state.runs[run]["start"] + one)
        token += until
        run = state.runs[run]["next"]
    return digest


@inner
def _edge(state: State, replica: int, digest: np.uint64) -> int:
    """Where the table of edges has an edge, or the free place where it would stand; places hold nodes plus one."""
    engine = state.engines[replica]
    mask = state.settings[engine["kind"]]["entries"] - 1
    place = np.int64(digest >> np.uint64(7)) & mask
    while True:
        at = engine["first_edge"] + place
        node = state.edges[at] - 1
        if node == NONE or state.nodes[node]["digest"] == digest:
            return int(at)
        place = (place + 1) & mask


@inner
def _drop_edge(state: State, replica: int, digest: np.uint64) -> None:
    """Takes an edge out and moves those after it up (Knuth 6.4, algorithm R)."""
    first = state.engines[replica]["first_edge"]
    mask = state.settings[state.engines[replica]["kind"]]["entries"] - 1
    gap = _edge(state, replica, digest) - first
    place = gap
    while True:
        state.edges[first + gap] = 0
        while True:
            place = (place + 1) & mask
            node = state.edges[first + place] - 1
            if node == NONE:
                return
            home = np.int64(state.nodes[node]["digest"] >> np.uint64(7)) & mask
            if ((place - home) & mask) >= ((place - gap) & mask):
                break
        state.edges[first + gap] = node + 1
        gap = place


@inner
def _new_run(state: State, replica: int, start: int, length: int) -> int:
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
def _new_node(state: State, replica: int, parent: int, length: int, digest: np.uint64) -> int:
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
    one["used"] = _now(state, replica)
    return int(node)


@inner
def _now(state: State, replica: int) -> int:
    """A time that is later than all before."""
    engine = state.engines[replica]
    engine["uses"] += 1
    return int(engine["uses"] << _DEPTH)


@inner
def _unlist(state: State, replica: int, node: int) -> None:
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
def _list(state: State, replica: int, node: int, from_old: bool) -> None:
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
def _use(state: State, replica: int, node: int, time: int) -> None:
    """Notes when a node was used."""
    state.nodes[node]["used"] = time
    if state.nodes[node]["listed"] == 1:
        _unlist(state, replica, node)
        _list(state, replica, node, False)


@inner
def _common(state: State, node: int, request: int, at: int, end: int, index: int, begin: int) -> int:
    """How many tokens of a node are those of a request from `at` on, up to its token `end`."""
    run, inside, same = state.nodes[node]["runs"], 0, 0
    while run != NONE and at + same < end:
        start, length = piece(state, request, index, begin)
        if at + same >= begin + length:
            index, begin = index + 1, begin + length
            continue
        held = state.runs[run]
        if held["start"] + inside != start + at + same - begin:
            return same
        count = min(held["length"] - inside, begin + length - at - same, end - at - same)
        same += count
        inside += count
        if inside == held["length"]:
            run = held["next"]
            inside = 0
    return same


@inner
def _split(state: State, replica: int, node: int, length: int) -> int:
    """Cuts a node in two after so many tokens. Returns the first part, which is new; the second counts as used."""
    one = state.nodes[node]
    page = state.settings[state.engines[replica]["kind"]]["block"]
    digest = one["digest"]
    first = _new_node(state, replica, one["parent"], length, digest)
    upper = state.nodes[first]
    upper["locks"] = one["locks"]
    upper["children"] = 1
    upper["runs"] = one["runs"]
    state.edges[_edge(state, replica, digest)] = first + 1
    run, left = one["runs"], length
    while left > state.runs[run]["length"]:
        left -= state.runs[run]["length"]
        run = state.runs[run]["next"]
    held = state.runs[run]
    rest = held["next"]
    if left < held["length"]:
        rest = _new_run(state, replica, held["start"] + left, held["length"] - left)
        state.runs[rest]["next"] = held["next"]
        held["length"] = left
    held["next"] = NONE
    one["runs"] = rest
    one["parent"] = first
    one["length"] -= length
    one["digest"] = _node_digest(state, node, first, page)
    state.edges[_edge(state, replica, one["digest"])] = node + 1
    _use(state, replica, node, _now(state, replica))
    return first


@inner
def match(state: State, replica: int, request: int, end: int) -> tuple[int, int]:
    """The last node on the path of a request's first `end` tokens, and how many of them lie on it. Counts as use."""
    node, found = _walk(state, replica, request, end, False)
    time, up = _now(state, replica), node
    while up != NONE:
        _use(state, replica, up, time)
        time -= 1
        up = state.nodes[up]["parent"]
    return node, found


@inner
def _walk(state: State, replica: int, request: int, end: int, using: bool) -> tuple[int, int]:
    """Follows a request's first `end` tokens down the tree, and cuts the node where they part from it."""
    page = state.settings[state.engines[replica]["kind"]]["block"]
    node, at, index, begin = state.engines[replica]["first_node"], 0, 0, 0
    while at + page <= end:
        _, length = piece(state, request, index, begin)
        if at >= begin + length:
            index, begin = index + 1, begin + length
            continue
        digest = _page_digest(state, request, at, index, begin, node, page)
        child = state.edges[_edge(state, replica, digest)] - 1
        if child == NONE:
            break
        if using:
            _use(state, replica, child, _now(state, replica))
        same = _common(state, child, request, at, end, index, begin) // page * page
        at += same
        if same < state.nodes[child]["length"]:
            return _split(state, replica, child, same), at
        node = child
    return int(node), at


@inner
def insert(state: State, replica: int, request: int, end: int) -> tuple[int, int]:
    """Makes a request's first `end` tokens known, a whole number of pages. Returns the last node and what was known."""
    engine = state.engines[replica]
    page = state.settings[engine["kind"]]["block"]
    node, at = _walk(state, replica, request, end, True)
    if at == end:
        return node, at
    index, begin = 0, 0
    _, length = piece(state, request, index, begin)
    while at >= begin + length:
        index, begin = index + 1, begin + length
        _, length = piece(state, request, index, begin)
    digest = _page_digest(state, request, at, index, begin, node, page)
    leaf = _new_node(state, replica, node, end - at, digest)
    state.edges[_edge(state, replica, digest)] = leaf + 1
    last, token = NONE, at
    while token < end:
        start, length = piece(state, request, index, begin)
        count = min(begin + length, end) - token
        if count > 0:
            run = _new_run(state, replica, start + token - begin, count)
            if last == NONE:
                state.nodes[leaf]["runs"] = run
            else:
                state.runs[last]["next"] = run
            last = run
            token += count
        index, begin = index + 1, begin + length
    state.nodes[node]["children"] += 1
    _unlist(state, replica, node)
    _count(state, replica, (end - at) // page)
    _list(state, replica, leaf, False)
    return leaf, at


@inner
def _count(state: State, replica: int, pages: int) -> None:
    """So many pages have become evictable."""
    state.engines[replica]["cached"] += pages
    state.engines[replica]["free"] += pages
    state.totals[0]["free_blocks"] += pages


@inner
def lock(state: State, replica: int, node: int) -> None:
    """Keeps a node and all above it from being evicted."""
    page = state.settings[state.engines[replica]["kind"]]["block"]
    while state.nodes[node]["parent"] != NONE:
        one = state.nodes[node]
        if one["locks"] == 0:
            _count(state, replica, -(one["length"] // page))
            _unlist(state, replica, node)
        one["locks"] += 1
        node = one["parent"]


@inner
def unlock(state: State, replica: int, node: int) -> None:
    """Gives the lock on a path back."""
    page = state.settings[state.engines[replica]["kind"]]["block"]
    while state.nodes[node]["parent"] != NONE:
        one = state.nodes[node]
        one["locks"] -= 1
        if one["locks"] == 0:
            _count(state, replica, one["length"] // page)
            _list(state, replica, node, False)
        node = one["parent"]


@inner
def make_room(state: State, replica: int, pages: int) -> None:
    """Evicts leaves until so many pages are free, or nothing is left to evict."""
    engine = state.engines[replica]
    page = state.settings[engine["kind"]]["block"]
    while engine["free"] - engine["cached"] < pages and engine["oldest_leaf"] != NONE:
        node = engine["oldest_leaf"]
        one = state.nodes[node]
        engine["cached"] -= one["length"] // page
        _unlist(state, replica, node)
        _drop_edge(state, replica, one["digest"])
        run = one["runs"]
        while state.runs[run]["next"] != NONE:
            run = state.runs[run]["next"]
        state.runs[run]["next"] = engine["free_run"]
        engine["free_run"] = one["runs"]
        parent = one["parent"]
        one["parent"] = engine["free_node"]
        engine["free_node"] = node
        state.nodes[parent]["children"] -= 1
        _list(state, replica, parent, True)
