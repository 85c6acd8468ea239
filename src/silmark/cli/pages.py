"""Prints one page of the catalogue."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from silmark.report.catalogue import Page


def show_page(page: Page, as_json: bool) -> None:
    """Facts, figures and sources of one entry, as tables or as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(page.as_dict(), indent=2, allow_nan=False) + "\n")
        return
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    screen.print(grid(["", ""], list(page.facts.items())))
    screen.print()
    screen.print(grid(["figure", "value", "interval", "grade", "source", "note"], page.cells))
    screen.print()
    screen.print(grid(["source", "title, publisher, date, address"], page.sources))
