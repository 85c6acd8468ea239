"""Edges of a radix tree: a table that finds the child of a node by a digest of the child's first page."""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner
from silmark.serving.kernel.state import NONE, State
from silmark.serving.kernel.tokens import FACTOR, mix, piece


@inner
def page_digest(state: State, request: int, at: int, index: int, begin: int, parent: int, page: int) -> np.uint64:
    """Name of the edge that leaves a node with the page at a request's token `at`."""
    digest = mix(FACTOR, parent)
    token = at
    while token < at + page:
        start, length = piece(state, request, index, begin)
        if token >= begin + length:
            index, begin = index + 1, begin + length
            continue
        until = min(begin + length, at + page)
        for one in range(token, until):
            digest = mix(digest, start + one - begin)
        token = until
    return digest


@inner
def node_digest(state: State, node: int, parent: int, page: int) -> np.uint64:
    """The same for the first page of a node."""
    digest, token, run = mix(FACTOR, parent), 0, state.nodes[node]["runs"]
    while token < page:
        until = min(page - token, state.runs[run]["length"])
        for one in range(until):
            digest = mix(digest, state.runs[run]["start"] + one)
        token += until
        run = state.runs[run]["next"]
    return digest


@inner
def edge(state: State, replica: int, digest: np.uint64) -> int:
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
def drop_edge(state: State, replica: int, digest: np.uint64) -> None:
    """Takes an edge out and moves those after it up (Knuth 6.4, algorithm R)."""
    first = state.engines[replica]["first_edge"]
    mask = state.settings[state.engines[replica]["kind"]]["entries"] - 1
    gap = edge(state, replica, digest) - first
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
