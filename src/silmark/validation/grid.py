"""A table of a report: for a terminal, a page or a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """One table: columns from `numbers` on are numbers.

    Attributes:
        detail: too long for a page that is read from its top.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int
    detail: bool = False

    def markdown(self) -> str:
        """As a Markdown table with its title as a heading."""
        rule = ["---" if i < self.numbers else "---:" for i in range(len(self.headers))]
        lines = [self.headers, rule, *self.rows]
        return f"### {self.title}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
