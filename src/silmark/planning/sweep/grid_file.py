"""Reads the grid of a sweep from TOML, anybody's: every value checked, every refusal with the key and what would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from silmark.errors import BadFile
from silmark.figures.tables import read_toml
from silmark.planning.sweep.columns import COLUMNS, columns_of
from silmark.planning.sweep.grid import PLAN_AXES, POINT_AXES, SERVED_AXES, SIZE_AXES, Block, Grid, Serving, Value
from silmark.workloads.workload import MAX_BATCH, MAX_TOKENS

MAX_VALUES = 100_000
MAX_VALUES_IN_ALL = 1_000_000
MAX_POINTS = 10**11
MAX_FILES = 1_000_000
MAX_ROWS = 1_000_000
_ROWS = 65_536
"""Points of one file: a second or two of work, so that little is lost when a run is killed."""
_CHOICES = {
    "policy": ("vllm", "sglang", "trtllm"),
    "maturity": ("own", "equal"),
    "attention": ("heads", "batch"),
    "weights_in": ("auto", "main", "sram"),
}
_LARGEST = {"batch": MAX_BATCH, "prompt": MAX_TOKENS, "output": MAX_TOKENS, **dict.fromkeys(SIZE_AXES, 100_000)}
_DEFAULTS: Mapping[str, tuple[Value, ...]] = {
    "precision": ("default",),
    "maturity": ("own",),
    "attention": ("heads",),
    "weights_in": ("auto",),
    "kv_in": ("auto",),
    "policy": ("vllm",),
    "rate": ("trace",),
    **dict.fromkeys(SIZE_AXES, ("auto",)),
}
_SERVED_ROWS = 16
"""Simulations of one file: some seconds of work."""
_SERVED_PLAN = ("models", "on", "precision", "maturity", "tp", "pp", "ep", "dp")
"""Axes of a plan that a simulated server takes."""
_MOST_RATE = 1e6
_LONGEST = 4096
_RANGE = ("from", "to", "steps", "log")
_RESULTS = ("folder", "columns", "rows_per_file")


def read(path: Path) -> Grid:
    """Reads a grid file; raises BadFile with the key and the remedy."""
    return parse(path, read_toml(path))


def parse(path: Path | str, table: Mapping[str, Any]) -> Grid:
    """Checks a grid that was read or built: axes at the top hold for every `[[grid]]` block that has not its own.

    Args:
        path: what messages call it.
        table: as in the file.
    """
    shared = {key: value for key, value in table.items() if key not in ("grid", "results", "serving")}
    serving = _serving(path, table["serving"]) if "serving" in table else None
    blocks = table.get("grid", [{}])
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, Mapping) for block in blocks):
        raise BadFile(path, "expected [[grid]] blocks of axes", "grid")
    if len(blocks) > MAX_VALUES:
        raise BadFile(path, f"at most {MAX_VALUES:,} blocks", "grid")
    results = _results(path, table.get("results", {}), serving is not None)
    checked: list[Block] = []
    values = 0
    for number, block in enumerate(blocks, start=1):
        checked.append(
            _block(path, f"grid {number}: " if len(blocks) > 1 else "", {**shared, **block}, serving is not None)
        )
        values += sum(map(len, checked[-1].axes.values()))
        if values > MAX_VALUES_IN_ALL:
            raise BadFile(path, f"more than {MAX_VALUES_IN_ALL:,} values in all blocks; sweep it in parts", "grid")
    grid = Grid(tuple(checked), **results, serving=serving)
    if grid.points > MAX_POINTS or grid.shards > MAX_FILES:
        most = min(MAX_POINTS, MAX_FILES * grid.rows_per_file)
        remedy = "shorten an axis, or sweep it in parts" + (" (or raise rows_per_file)" if most < MAX_POINTS else "")
        raise BadFile(path, f"{grid.points:,} points; at most {most:,}: {remedy}", "grid")
    return grid


def _block(path: Path | str, where: str, table: Mapping[str, Any], served: bool) -> Block:
    known = (*PLAN_AXES, *(SERVED_AXES if served else POINT_AXES))
    allowed = (*_SERVED_PLAN, *SERVED_AXES) if served else known
    unknown = next((key for key in table if key not in allowed), None)
    if unknown is not None:
        raise BadFile(path, f"{where}{str(unknown)[:40]!r} is not an axis; axes are {', '.join(allowed)}")
    missing = next((key for key in known if key not in table and key not in _DEFAULTS), None)
    if missing is not None:
        raise BadFile(path, 'missing; give values such as ["llama-3.1-8b"] or [1, 2, 4]', f"{where}{missing}")
    axes = {
        name: _axis(path, f"{where}{name}", name, table[name]) if name in table else _DEFAULTS[name] for name in known
    }
    return Block(axes)


def _axis(path: Path | str, key: str, name: str, value: object) -> tuple[Value, ...]:
    if isinstance(value, Mapping):
        return _range(path, key, name, value)
    values = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(values) <= MAX_VALUES:
        raise BadFile(path, f"{len(values):,} values; expected 1 to {MAX_VALUES:,}", key)
    checked = tuple(_value(path, key, name, one) for one in values)
    if len(set(checked)) < len(checked):
        twice = next(one for one, count in Counter(checked).items() if count > 1)
        raise BadFile(path, f"{twice!r} is given twice; name each value once", key)
    return checked


def _value(path: Path | str, key: str, name: str, value: object) -> Value:
    if name == "rate":
        if value == "trace":
            return "trace"
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST_RATE:
            raise BadFile(path, f'expected requests per second up to {_MOST_RATE:,.0f}, or "trace" for its own', key)
        return value
    if name in _LARGEST:
        if value == "auto" and name in SIZE_AXES:
            return "auto"
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST[name]:
            also = ", or auto" if name in SIZE_AXES else ""
            raise BadFile(path, f"expected whole numbers from 1 to {_LARGEST[name]:,}{also}", key)
        return value
    if not isinstance(value, str) or not 1 <= len(value) <= 400:
        raise BadFile(path, "expected names, each a text", key)
    choices = _CHOICES.get(name)
    if choices is not None and value not in choices:
        raise BadFile(path, f"{value[:40]!r}; expected {' or '.join(choices)}", key)
    return value


def _range(path: Path | str, key: str, name: str, table: Mapping[str, Any]) -> tuple[Value, ...]:
    """`{from = 1, to = 1024, steps = 11, log = true}`: so many whole numbers, evenly spaced, each once."""
    if name not in _LARGEST:
        raise BadFile(path, "expected a list of names", key)
    if not set(table) <= set(_RANGE) or not {"from", "to", "steps"} <= set(table):
        raise BadFile(path, "expected a list, or a range {from = 1, to = 64, steps = 7, log = true}", key)
    first, last = (_value(path, f"{key}.{end}", name, table[end]) for end in ("from", "to"))
    steps, log = table["steps"], table.get("log", False)
    if isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= MAX_VALUES:
        raise BadFile(path, f"expected a whole number from 2 to {MAX_VALUES:,}", f"{key}.steps")
    if not isinstance(log, bool):
        raise BadFile(path, "expected true (even ratios) or false (even distances)", f"{key}.log")
    if not (isinstance(first, int) and isinstance(last, int) and first < last):
        raise BadFile(path, "expected a number below `to`", f"{key}.from")
    spaced = np.geomspace(first, last, steps) if log else np.linspace(first, last, steps)
    return tuple(dict.fromkeys(int(number) for number in np.rint(spaced)))


def _serving(path: Path | str, table: object) -> Serving:
    """The section `[serving]`: what is sent."""
    if not isinstance(table, Mapping) or not set(table) <= {"trace", "slo", "limit", "seed"} or "trace" not in table:
        raise BadFile(path, 'expected trace = "azure-conv" or the like, and slo, limit, seed', "serving")
    for name in ("trace", "slo"):
        if not isinstance(table.get(name, ""), str) or len(table.get(name, "")) > _LONGEST:
            raise BadFile(path, "expected a text", f"serving.{name}")
    for name, least in (("limit", 1), ("seed", 0)):
        value = table.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_POINTS:
            raise BadFile(path, f"expected a whole number from {least}", f"serving.{name}")
    return Serving(table["trace"], table.get("slo", ""), table.get("limit"), table.get("seed", 0))


def _results(path: Path | str, table: object, served: bool) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise BadFile(path, f"expected a table of {', '.join(_RESULTS)}", "results")
    unknown = next((key for key in table if key not in _RESULTS), None)
    if unknown is not None:
        raise BadFile(path, f"{str(unknown)[:40]!r} is not known; it takes {', '.join(_RESULTS)}", "results")
    folder, rows = table.get("folder", ""), table.get("rows_per_file", _SERVED_ROWS if served else _ROWS)
    if not isinstance(folder, str) or "\0" in folder:
        raise BadFile(path, "expected the path of a folder", "results.folder")
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= MAX_ROWS:
        raise BadFile(path, f"expected a whole number from 1 to {MAX_ROWS:,}", "results.rows_per_file")
    known = columns_of("served" if served else "steady")
    columns = table.get("columns", list(known))
    if not isinstance(columns, list | tuple) or not columns:
        raise BadFile(path, "expected a list of columns", "results.columns")
    strange = next((name for name in columns if not isinstance(name, str) or name not in known), None)
    if strange is not None:
        raise BadFile(path, f"{str(strange)[:40]!r}; columns are {', '.join(known)}", "results.columns")
    return {"folder": folder, "rows_per_file": rows, "columns": tuple(name for name in COLUMNS if name in columns)}
