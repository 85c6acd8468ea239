"""Pictures of support: a square per chip and class of architectures, or per chip and number format."""

from __future__ import annotations

from pathlib import Path

from silmark.report.picture import saved
from silmark.report.support_matrix import FormatMatrix, SupportMatrix

COLOURS = {
    "native": "#bbd7ee",
    "computes": "#bbd7ee",
    "converts": "#d9e8c4",
    "stores": "#fdeec0",
    "fallback": "#fdd9a0",
    "cannot": "#d8d8d8",
    "no": "#ffffff",
}
"""The word stands in the square too: colours only help to find it."""
_SQUARE, _LINE = 0.9, 0.22
"""Inches."""


def draw(answer: SupportMatrix | FormatMatrix, path: Path) -> None:
    """Writes the picture, chips by family; raises BadValue for a path that cannot be one."""
    squares = dict(sorted(answer.squares().items(), key=lambda item: (item[0].family, item[0].id)))
    columns = list(next(iter(squares.values())))
    size = (3.6 + _SQUARE * len(columns), 1.2 + _LINE * len(squares))
    with saved(path, size) as axes:
        for line, row in enumerate(squares.values()):
            for column, one in enumerate(row.values()):
                axes.barh(line, 1, 1, left=column - 0.5, color=COLOURS[one.state], edgecolor="white", linewidth=0.8)
                axes.text(column, line, one.text, ha="center", va="center", fontsize=6.5)
        families = [chip.family for chip in squares]
        for line in (i for i in range(1, len(families)) if families[i] != families[i - 1]):
            axes.axhline(line - 0.5, color="black", linewidth=0.8)
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(squares) - 0.5, -0.5))
        axes.set_xticks(range(len(columns)), columns, fontsize=8)
        axes.set_yticks(range(len(squares)), [f"{chip.id}  ({chip.family})" for chip in squares], fontsize=7)
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        axes.set_title(f"{answer.title} (?: assumed)", fontsize=10, pad=18)
