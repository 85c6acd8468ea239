"""The table of sources that every figure's `source` key resolves in."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure was read."""

    key: str
    title: str
    publisher: str
    date: str
    address: str

    def __str__(self) -> str:
        return f"{self.title}, {self.publisher}, {self.date}, {self.address}"


@cache
def load_sources() -> dict[str, Source]:
    """All sources of the package, by key."""
    text = (resources.files("silmark") / "data" / "sources.toml").read_text(encoding="utf-8")
    return {key: Source(key=key, **entry) for key, entry in tomllib.loads(text).items()}
