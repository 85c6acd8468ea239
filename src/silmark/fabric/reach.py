"""Reach: a group of chips in one or more units, and what its members reach each other through."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.errors import BadValue
from silmark.fabric.link import Link


@dataclass(frozen=True, slots=True)
class Reach:
    """A group and its links.

    Members are laid out unit by unit; those of the same rank in their units form a rail, and every member has a link
    out of its own.

    Attributes:
        group: chips that take part.
        node: of them in one unit; the last unit may hold fewer.
        up, out: links inside a unit and between units.
    """

    group: int
    node: int
    up: Link
    out: Link

    def __post_init__(self) -> None:
        if self.group < 1:
            raise BadValue("group", self.group, "at least one chip")
        if not 1 <= self.node <= self.group:
            raise BadValue("node", self.node, f"from 1 to the group's {self.group} chips")

    @property
    def units(self) -> int:
        """Units that the group lies in."""
        return -(-self.group // self.node)

    def distinct(self, copies: float) -> tuple[float, float]:
        """Expected number of units and of chips that a token with so many experts needs, under uniform routing."""
        units = self.group / self.node
        return units * (1.0 - (1.0 - 1.0 / units) ** copies), self.group * (1.0 - (1.0 - 1.0 / self.group) ** copies)
