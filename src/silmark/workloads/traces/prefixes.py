"""What prompts have in common: a tree of runs of tokens, which no cache of limited size can know better.

Ids of a run count up by one, so two runs that start with the same id agree until the shorter one ends. A node's
children are therefore told apart by the first id of their run, and a lookup costs one step per run, not per token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Run = tuple[int, int]
MAX_NODES = 5_000_000
"""Runs that the tree holds at most: about 1.5 GB."""


@dataclass(slots=True)
class _Node:
    """The end of a run: what may follow, by first id, with the number of tokens on the way there."""

    after: dict[int, tuple[int, _Node]] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """All prompts seen so far."""

    root: _Node = field(default_factory=_Node)
    nodes: int = 0

    @property
    def full(self) -> bool:
        """Whether it grew beyond what it may hold."""
        return self.nodes > MAX_NODES

    def add(self, runs: Iterable[Run]) -> int:
        """Enters a prompt; returns how many of its first tokens were there already."""
        node, known, on = self.root, 0, True
        for start, length in _merged(runs):
            while length:
                found = node.after.get(start)
                if found is None:
                    on = False
                    child = _Node()
                    node.after[start] = (length, child)
                    self.nodes += 1
                    node, length = child, 0  # noqa: PLW2901 - what is left of the run
                    continue
                size, child = found
                if size > length:
                    middle = _Node({start + length: (size - length, child)})
                    node.after[start] = (length, middle)
                    self.nodes += 1
                    size, child = length, middle
                known += size if on else 0
                node, start, length = child, start + size, length - size  # noqa: PLW2901
        return known


def _merged(runs: Iterable[Run]) -> Iterable[Run]:
    """Neighbouring runs that count on as one."""
    start, length = 0, 0
    for begin, size in runs:
        if length and begin == start + length:
            length += size
            continue
        if length:
            yield start, length
        start, length = begin, size
    if length:
        yield start, length
