"""One table of a claim's file, read entry by entry; what is wrong is said with file, key and remedy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from silmark.errors import BadFile

_LONGEST = 4000
_MOST = 24
"""Entries of a list: conditions, tests, systems of a field."""
_LARGEST = 1e30


@dataclass(slots=True)
class Fields:
    """A table and the entries of it that were asked for; `done` refuses the rest.

    Attributes:
        path: file that errors name.
        key: where the table stands in it, empty at the top.
        table: as parsed.
    """

    path: Path
    key: str
    table: dict[str, Any]
    seen: set[str] = field(default_factory=set)

    def bad(self, name: str, problem: str) -> BadFile:
        """The error about one entry."""
        return BadFile(self.path, problem, f"{self.key}.{name}" if self.key else name)

    def _take(self, name: str) -> object:
        self.seen.add(name)
        return self.table.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """A text; without a default it must be there."""
        found = self._take(name)
        if found is None and default is not None:
            return default
        return self._text(name, found)

    def _text(self, name: str, found: object) -> str:
        """A text on one line; control characters would reach the terminal."""
        if not isinstance(found, str) or not found.strip() or len(found) > _LONGEST:
            raise self.bad(name, f"expected a text of at most {_LONGEST:,} characters")
        line = " ".join(found.split())
        if not line.isprintable():
            raise self.bad(name, "expected a text without control characters")
        return line

    def choice(self, name: str, known: Collection[str], default: str | None = None) -> str:
        """One of some words."""
        found = self.text(name, default)
        if found not in known:
            raise self.bad(name, f"{found[:40]!r}; expected one of {', '.join(known)}")
        return found

    def number(self, name: str, default: float | None = None) -> float | None:
        """A finite number of at least 0, or the default."""
        found = self._take(name)
        return default if found is None else self._number(name, found)

    def wanted(self, name: str) -> float:
        """A finite number above 0 that must be there."""
        found = self.number(name)
        if not found:
            raise self.bad(name, "expected a number above 0")
        return found

    def _number(self, name: str, found: object) -> float:
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= _LARGEST:
            raise self.bad(name, f"expected a number from 0 to {_LARGEST:g}")
        return float(found)

    def whole(self, name: str, default: int, top: int) -> int:
        """A whole number from 1 to `top`."""
        found = self._take(name)
        return default if found is None else self._whole(name, found, top)

    def wholes(self, name: str, default: tuple[int, ...], top: int) -> tuple[int, ...]:
        """One whole number or a list of them, in rising order."""
        found = self._take(name)
        if found is None:
            return default
        listed = found if isinstance(found, list) else [found]
        if not 1 <= len(listed) <= _MOST:
            raise self.bad(name, f"expected 1 to {_MOST} whole numbers")
        numbers = tuple(self._whole(name, one, top) for one in listed)
        if list(numbers) != sorted(set(numbers)):
            raise self.bad(name, "expected rising numbers, each once")
        return numbers

    def _whole(self, name: str, found: object, top: int) -> int:
        if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= top:
            raise self.bad(name, f"expected a whole number from 1 to {top:,}")
        return found

    def texts(self, name: str, least: int = 0) -> tuple[str, ...]:
        """A list of texts."""
        found = self._take(name)
        listed = [] if found is None else found
        if not isinstance(listed, list) or not least <= len(listed) <= _MOST:
            raise self.bad(name, f"expected a list of {least} to {_MOST} texts")
        return tuple(self._text(name, one) for one in listed)

    def yes(self, name: str, default: bool) -> bool:
        """True or false."""
        found = self._take(name)
        if found is None:
            return default
        if not isinstance(found, bool):
            raise self.bad(name, "expected true or false")
        return found

    def inner(self, name: str) -> Fields:
        """A table inside this one that must be there."""
        found = self._take(name)
        if not isinstance(found, dict):
            raise self.bad(name, "expected a table")
        return Fields(self.path, f"{self.key}.{name}" if self.key else name, found)

    def inners(self, name: str) -> list[Fields]:
        """A list of tables with at least one of them."""
        found = self._take(name)
        if not isinstance(found, list) or not 1 <= len(found) <= _MOST:
            raise self.bad(name, f"expected 1 to {_MOST} tables, each headed [[{name}]]")
        if not all(isinstance(one, dict) for one in found):
            raise self.bad(name, f"expected tables, each headed [[{name}]]")
        return [Fields(self.path, f"{name}.{number}", one) for number, one in enumerate(found, 1)]

    def done(self) -> None:
        """Refuses entries that nobody asked for."""
        for name in self.table:
            if name not in self.seen:
                raise self.bad(name, f"unknown entry; known here: {', '.join(sorted(self.seen))}")
