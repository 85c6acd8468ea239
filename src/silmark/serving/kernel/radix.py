"""A radix tree of KV pages, as SGLang keeps them (0.5.23: mem_cache/unified_cache/unified_tree_core.py).

A node stands for a stretch of tokens, a whole number of pages, as runs of ascending ids; children differ in their first
page. Requests lock the path to the last node they use. What is not locked can be evicted: whole leaves, the one that
was not used for the longest time first; a node whose last child has gone is a leaf in turn. Evictable leaves stand in a
list by the time of their last use. The engine's `free` counts free pages and evictable ones, `cached` the latter.
"""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.radix_edges import drop_edge, edge, node_digest, page_digest
from silmark.serving.kernel.radix_nodes import count_evictable, list_leaf, new_node, new_run, tick, unlist, use
from silmark.serving.kernel.state import NONE, State
from silmark.serving.kernel.tokens import piece


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
    first = new_node(state, replica, one["parent"], length, digest)
    upper = state.nodes[first]
    upper["locks"] = one["locks"]
    upper["children"] = 1
    upper["runs"] = one["runs"]
    state.edges[edge(state, replica, digest)] = first + 1
    run, left = one["runs"], length
    while left > state.runs[run]["length"]:
        left -= state.runs[run]["length"]
        run = state.runs[run]["next"]
    held = state.runs[run]
    rest = held["next"]
    if left < held["length"]:
        rest = new_run(state, replica, held["start"] + left, held["length"] - left)
        state.runs[rest]["next"] = held["next"]
        held["length"] = left
    held["next"] = NONE
    one["runs"] = rest
    one["parent"] = first
    one["length"] -= length
    one["digest"] = node_digest(state, node, first, page)
    state.edges[edge(state, replica, one["digest"])] = node + 1
    use(state, replica, node, tick(state, replica))
    return first


@inner
def match(state: State, replica: int, request: int, end: int) -> tuple[int, int]:
    """The last node on the path of a request's first `end` tokens, and how many of them lie on it. Counts as use."""
    node, found = _walk(state, replica, request, end, False)
    time, up = tick(state, replica), node
    while up != NONE:
        use(state, replica, up, time)
        time -= 1
        up = state.nodes[up]["parent"]
    return node, found


@inner
def _child(state: State, replica: int, request: int, at: int, index: int, begin: int, node: int) -> int:
    """The child of a node that goes on with the page at a request's token `at`, which lies in the run `index`."""
    page = state.settings[state.engines[replica]["kind"]]["block"]
    digest = page_digest(state, request, at, index, begin, node, page)
    return int(state.edges[edge(state, replica, digest)] - 1)


@inner
def _step(
    state: State, replica: int, request: int, at: int, end: int, index: int, begin: int, node: int
) -> tuple[int, int, int, int]:
    """One node further down the path of a request's first `end` tokens, from its token `at`.

    Returns:
        The child, NONE if there is none; how many tokens in whole pages it shares; the run that `at` lies in, and where
        that begins.
    """
    _, length = piece(state, request, index, begin)
    while at >= begin + length:
        index, begin = index + 1, begin + length
        _, length = piece(state, request, index, begin)
    child = _child(state, replica, request, at, index, begin, node)
    if child == NONE:
        return NONE, 0, index, begin
    page = state.settings[state.engines[replica]["kind"]]["block"]
    return child, int(_common(state, child, request, at, end, index, begin) // page * page), index, begin


@inner
def peek(state: State, replica: int, request: int, end: int) -> tuple[int, int]:
    """How many of a request's first `end` tokens the tree has, and how many of them others hold. Changes nothing."""
    page = state.settings[state.engines[replica]["kind"]]["block"]
    node, at, held, index, begin = state.engines[replica]["first_node"], 0, 0, 0, 0
    while at + page <= end:
        node, same, index, begin = _step(state, replica, request, at, end, index, begin, node)
        if node == NONE:
            break
        at += same
        if state.nodes[node]["locks"] > 0:
            held += same
        if same < state.nodes[node]["length"]:
            break
    return at, held


@inner
def _walk(state: State, replica: int, request: int, end: int, using: bool) -> tuple[int, int]:
    """Follows a request's first `end` tokens down the tree, and cuts the node where they part from it."""
    page = state.settings[state.engines[replica]["kind"]]["block"]
    node, at, index, begin = state.engines[replica]["first_node"], 0, 0, 0
    while at + page <= end:
        child, same, index, begin = _step(state, replica, request, at, end, index, begin, node)
        if child == NONE:
            break
        if using:
            use(state, replica, child, tick(state, replica))
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
    digest = page_digest(state, request, at, index, begin, node, page)
    leaf = new_node(state, replica, node, end - at, digest)
    state.edges[edge(state, replica, digest)] = leaf + 1
    last, token = NONE, at
    while token < end:
        start, length = piece(state, request, index, begin)
        count = min(begin + length, end) - token
        if count > 0:
            run = new_run(state, replica, start + token - begin, count)
            if last == NONE:
                state.nodes[leaf]["runs"] = run
            else:
                state.runs[last]["next"] = run
            last = run
            token += count
        index, begin = index + 1, begin + length
    state.nodes[node]["children"] += 1
    unlist(state, replica, node)
    count_evictable(state, replica, (end - at) // page)
    list_leaf(state, replica, leaf, False)
    return leaf, at


@inner
def lock(state: State, replica: int, node: int) -> None:
    """Keeps a node and all above it from being evicted."""
    page = state.settings[state.engines[replica]["kind"]]["block"]
    while state.nodes[node]["parent"] != NONE:
        one = state.nodes[node]
        if one["locks"] == 0:
            count_evictable(state, replica, -(one["length"] // page))
            unlist(state, replica, node)
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
            count_evictable(state, replica, one["length"] // page)
            list_leaf(state, replica, node, False)
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
        unlist(state, replica, node)
        drop_edge(state, replica, one["digest"])
        run = one["runs"]
        while state.runs[run]["next"] != NONE:
            run = state.runs[run]["next"]
        state.runs[run]["next"] = engine["free_run"]
        engine["free_run"] = one["runs"]
        parent = one["parent"]
        one["parent"] = engine["free_node"]
        engine["free_node"] = node
        state.nodes[parent]["children"] -= 1
        list_leaf(state, replica, parent, True)
