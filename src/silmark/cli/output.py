"""Prints documents as JSON, and pages of the catalogue."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from silmark.report.catalogue import Page


def print_json(document: Any) -> None:  # noqa: ANN401 - any JSON document
    """Prints a document, indented."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def show_page(page: Page, as_json: bool) -> None:
    """Facts, figures and sources of one entry, as tables or as JSON."""
    if as_json:
        print_json(page.as_dict())
        return
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    screen.print(grid(["", ""], list(page.facts.items())))
    screen.print()
    screen.print(grid(["figure", "value", "interval", "grade", "source", "note"], page.cells))
    screen.print()
    screen.print(grid(["source", "title, publisher, date, address"], page.sources))
