"""Public traces by name: where each lies below the folder of traces, where to get it, its licence and citation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from silmark.errors import SilmarkError
from silmark.figures import Source, load_sources
from silmark.figures.tables import packaged

FOLDER = "traces"


@dataclass(frozen=True, slots=True)
class Entry:
    """One public trace.

    Attributes:
        name: as after `--trace`.
        file: path below the folder `traces` of what SILMARK_DATA names.
        form: its format.
        about: what was recorded.
        licence: under which it may be used.
        source: where to get it, and whom to cite.
    """

    name: str
    file: str
    form: str
    about: str
    licence: str
    source: Source

    @property
    def note(self) -> str:
        """What an answer made from it says."""
        return f"{self.name}: {self.about}; {self.licence}; {self.source}"


@cache
def entries() -> dict[str, Entry]:
    """All of them, by name."""
    sources = load_sources()
    return {
        name: Entry(name, one["file"], one["format"], one["about"], one["licence"], sources[one["source"]])
        for name, one in packaged(FOLDER)["catalogue"].items()
    }


def path(entry: Entry) -> Path:
    """The trace's file; raises SilmarkError saying where to get it."""
    root = os.environ.get("SILMARK_DATA", "")
    found = Path(root) / FOLDER / entry.file
    if not root or not found.is_file():
        where = f"{found} does not exist" if root else "SILMARK_DATA is not set"
        raise SilmarkError(
            f"{entry.name} is not part of the package ({where}): get it from {entry.source.address} "
            f"({entry.licence}; {entry.source.title}) and save it as {FOLDER}/{entry.file} in the folder that "
            "SILMARK_DATA names"
        )
    return found
