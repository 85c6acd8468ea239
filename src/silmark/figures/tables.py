"""Reading tables of figures: TOML text from anybody to checked figures, and the packaged ones quickly.

A leaf of such a file is an inline table with `value`, `unit`, `source` and `grade`; everything above it is
a path (`memory.main.bandwidth`). Strangers' files are hostile: size, depth, types and ranges are bounded.
"""

from __future__ import annotations

import fnmatch
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from silmark.errors import BadFile
from silmark.figures.figure import Figure, Grade
from silmark.figures.units import UNITS

MAX_BYTES = 1 << 20
MAX_DEPTH = 8
OWN_CALIBRATION = "SILMARK_CALIBRATION"
"""Names a folder whose files stand in for the packaged calibration; see `own`."""
_LARGEST = 1e30
_LEAF_KEYS = {"value", "unit", "source", "grade", "low", "high", "note", "date", "derived_from", "alternatives"}


def data_folder() -> Path:
    """Where the package's own data lies."""
    return Path(str(resources.files("silmark"))) / "data"


def read_toml(path: Path, most: int = MAX_BYTES) -> dict[str, Any]:
    """Parses a TOML file of at most so many bytes; raises BadFile with the remedy."""
    try:
        if not path.is_file():
            raise BadFile(path, "no such file" if not path.exists() else "not a regular file")
        with path.open("rb") as stream:
            raw = stream.read(most + 1)
        if len(raw) > most:
            raise BadFile(path, f"larger than {most} bytes; a chip or system takes a few kB")
        table = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadFile(path, "not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, a number of thousands of digits, deep nesting
        raise BadFile(path, f"not valid TOML: {error or 'nested too deeply'}") from None
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    if _depth(table) > MAX_DEPTH:
        raise BadFile(path, f"nested deeper than {MAX_DEPTH} tables")
    return table


def _depth(table: dict[str, Any]) -> int:
    """Levels of nested tables, counted without recursion."""
    level, current = 0, [table]
    while current and level <= MAX_DEPTH:
        level += 1
        current = [value for one in current for value in one.values() if isinstance(value, dict)]
    return level


def cache_folder() -> Path:
    """Where the package keeps what can be made again."""
    chosen = os.environ.get("SILMARK_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME")
    home = os.environ.get("HOME") or os.environ.get("LOCALAPPDATA") or os.devnull  # no home: nothing is kept
    return Path(chosen) if chosen else (Path(shared) if shared else Path(home) / ".cache") / "silmark"


def _cache_file(name: str) -> Path:
    return cache_folder() / f"{name}.json"


@cache
def packaged(kind: str) -> dict[str, dict[str, Any]]:
    """All TOML tables of one packaged folder (`chips`, `systems`), by file stem.

    Where the environment names a calibration of the user's own, its files stand in for the packaged ones (`own`).
    """
    tables = shipped(kind)
    if os.environ.get(OWN_CALIBRATION):
        from silmark.figures import own  # noqa: PLC0415 - reads with this module's functions, and rarely

        return own.over(kind, tables)
    return tables


def shipped(kind: str) -> dict[str, dict[str, Any]]:
    """The tables of one folder as they come with the package, whatever the environment says."""
    folder = data_folder() / kind
    with os.scandir(folder) as entries:
        names = sorted(e.name[: -len(".toml")] for e in entries if e.name.endswith(".toml"))
    return parsed(folder, names, kind)


def parsed(folder: Path, names: Sequence[str], label: str, most: int = MAX_BYTES) -> dict[str, dict[str, Any]]:
    """Some TOML files of a folder by stem.

    Parsing sixty files costs more than all else that a question needs, so the parsed data (never an
    answer) is kept as JSON in the user's cache folder, keyed on every file's name, size and time.

    Args:
        folder, names: the files, without ending.
        label: name of the kept file.
        most: bytes of one file.
    """
    stats = [(f"{name}.toml", *_size_and_time(folder / f"{name}.toml")) for name in names]
    signature = repr((str(folder), stats))
    kept = _cache_file(label)
    try:
        cached = json.loads(kept.read_text(encoding="utf-8"))
        if cached["signature"] == signature:
            return dict(cached["tables"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    tables = {name: read_toml(folder / f"{name}.toml", most) for name in names}
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        scratch = kept.with_suffix(f".{os.getpid()}")
        scratch.write_text(json.dumps({"signature": signature, "tables": tables}), encoding="utf-8")
        scratch.replace(kept)
    except (OSError, TypeError):
        pass  # a read-only home only costs time
    return tables


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    return found.st_size, found.st_mtime_ns


@cache
def schema(name: str) -> dict[str, dict[str, Any]]:
    """The schema of one kind of file: key pattern -> unit, families, description."""
    return read_toml(data_folder() / "schema" / f"{name}.toml")


def walk(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted key, leaf) for every figure table and every plain value below `table`."""
    for key, value in table.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict) and not ("value" in value or "unit" in value):
            yield from walk(value, path)
        else:
            yield path, value


def read_grade(path: Path | str, key: str, word: str) -> Grade:
    """The grade of that name; raises BadFile."""
    try:
        return Grade.parse(word)
    except KeyError:
        raise BadFile(path, f"grade {word[:40]!r}; expected one of {', '.join(map(str, Grade))}", key) from None


def read_figure(path: Path | str, key: str, leaf: Mapping[str, Any], si_unit: str | None = None) -> Figure:
    """Checks one leaf and returns it in SI; `si_unit` is the unit that the schema expects."""
    unknown = set(leaf) - _LEAF_KEYS
    if unknown:
        raise BadFile(path, f"unknown entry {sorted(unknown)[0]!r}; a figure has {', '.join(sorted(_LEAF_KEYS))}", key)
    missing = [name for name in ("value", "unit", "source", "grade") if name not in leaf]
    if missing:
        raise BadFile(path, f"missing {', '.join(missing)}; every figure has value, unit, source and grade", key)
    unit = leaf["unit"]
    if not isinstance(unit, str) or unit not in UNITS or (si_unit is not None and UNITS[unit][0] != si_unit):
        expected = f"a unit of {si_unit}" if si_unit else f"one of {', '.join(UNITS)}"
        raise BadFile(path, f"unit {str(unit)[:40]!r} does not fit; expected {expected}", key)
    for name in ("source", "grade", "note", "date", "derived_from"):
        if not isinstance(leaf.get(name, ""), str):
            raise BadFile(path, f"{name} must be text", key)
    rivals = leaf.get("alternatives", [])
    if not isinstance(rivals, list) or not all(isinstance(rival, dict) for rival in rivals):
        raise BadFile(path, "alternatives must be a list of tables", key)
    grade = read_grade(path, key, leaf["grade"])
    value, low, high = (_number(path, key, n, leaf.get(n, leaf["value"])) for n in ("value", "low", "high"))
    if not low <= value <= high:
        raise BadFile(path, f"low {low:g} <= value {value:g} <= high {high:g} does not hold", key)
    factor = UNITS[unit][1]
    return Figure(
        key=key,
        value=value * factor,
        low=low * factor,
        high=high * factor,
        unit=UNITS[unit][0],
        source=leaf["source"],
        grade=grade,
        shown=f"{leaf['value']:g} {unit}" if unit != "1" else f"{leaf['value']:g}",
        shown_bounds="" if low == high else f"{low:g} to {high:g}{f' {unit}' if unit != '1' else ''}",
        note=leaf.get("note", ""),
        date=leaf.get("date", ""),
        derived_from=leaf.get("derived_from", ""),
        alternatives=tuple(rivals),
    )


def _number(path: Path | str, key: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadFile(path, f"{name} must be a number, not {type(value).__name__}", key)
    if not 0 <= value <= _LARGEST:  # NaN is refused as well
        raise BadFile(path, f"{name} is out of range; expected a finite number from 0 to {_LARGEST:g}", key)
    return float(value)


def expected_unit(name: str, key: str) -> str | None:
    """SI unit that the schema gives a key, None if the schema does not know it."""
    entries = schema(name)
    entry = entries.get(key) or next((e for pattern, e in entries.items() if fnmatch.fnmatch(key, pattern)), None)
    return None if entry is None else str(entry["unit"])
