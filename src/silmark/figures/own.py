"""A calibration of the user's own: a folder that stands in for some of the packaged fits.

`SILMARK_CALIBRATION` names it; without that variable no answer depends on any such folder. `silmark calibrate
measurements` writes it. Its files belong together, since residuals are those of the coefficients beside them, so all
of them must be there. They may have been edited, or come from another version of Silmark, and are checked as
strangers' files are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from silmark.errors import BadFile, BadValue
from silmark.figures.tables import OWN_CALIBRATION, parsed, read_figure, walk

FILES: Mapping[str, tuple[str, ...]] = {"calibration": ("fabric", "gpu", "operators"), "corrections": ("operators",)}
"""Folder -> names of the files that stand in for the packaged ones."""
SOURCE = "own-calibration"
MAX_BYTES = 8 << 20
"""Of one file; that of three chips takes 0.2 MB."""
_LARGEST_FACTOR = 1e6
_LARGEST_LOG = 100.0
_AGAIN = "write it again with `silmark calibrate measurements`"

Tables = dict[str, dict[str, Any]]


def folder() -> Path | None:
    """The folder that the environment names, None where it names none; raises BadValue if there is none."""
    named = os.environ.get(OWN_CALIBRATION, "")
    if not named:
        return None
    if not Path(named).is_dir():
        raise BadValue(OWN_CALIBRATION, named, "a folder that `silmark calibrate measurements` wrote, or nothing")
    return Path(named)


def refuse_to_write() -> None:
    """Raises BadValue while a folder is named: packaged fits must not rest on anybody's own."""
    if os.environ.get(OWN_CALIBRATION):
        raise BadValue(OWN_CALIBRATION, os.environ[OWN_CALIBRATION], "nothing while packaged files are written")


def remark() -> str:
    """What an answer says about the calibration that it rests on; empty for the packaged one."""
    found = folder()
    return "" if found is None else f"GPU coefficients are your own calibration in {found}"


def over(kind: str, tables: Tables) -> Tables:
    """Packaged tables with the user's own in place of some.

    Args:
        kind: folder of the tables, such as `calibration`.
        tables: the packaged ones by file stem.

    Raises:
        BadValue: the environment names no folder.
        BadFile: a file is missing or does not fit this version of Silmark.
    """
    where = folder() if kind in FILES else None
    if where is None:
        return tables
    for name in FILES[kind]:
        if not (where / kind / f"{name}.toml").is_file():
            raise BadFile(where / kind / f"{name}.toml", f"no such file; {_AGAIN}")
    found = parsed(where / kind, FILES[kind], f"own-{kind}", MAX_BYTES)
    for name, table in found.items():
        _check(where / kind / f"{name}.toml", table, tables[name])
    return {**tables, **found}


def _check(path: Path, table: Mapping[str, Any], like: Mapping[str, Any]) -> None:
    """Refuses a file that has not what the packaged one has."""
    _parameters(path, _part(path, table, "parameters"), like.get("parameters", {}))
    checks: dict[str, Callable[[Path, Mapping[str, Any], Mapping[str, Any]], None]] = {
        "factors": _factors,
        "curves": _curves,
        "residuals": _residuals,
    }
    for name, check in checks.items():
        # The residuals of coefficients are for readers; those of operators make error bars.
        if name in like and (name != "residuals" or path.stem == "operators"):
            check(path, _part(path, table, name), like[name])


def _part(path: Path, table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise BadFile(path, f"expected a table; {_AGAIN}", name)
    return found


def _parameters(path: Path, own: Mapping[str, Any], like: Mapping[str, Any]) -> None:
    leaves, wanted = dict(walk(own)), dict(walk(like))
    differing = sorted(leaves.keys() ^ wanted.keys())
    if differing:
        said = "missing" if differing[0] in wanted else "unknown to this version of Silmark"
        raise BadFile(path, f"{said}; {_AGAIN}", differing[0])
    for key, leaf in leaves.items():
        if not isinstance(leaf, dict):
            raise BadFile(path, f"expected a figure; {_AGAIN}", key)
        figure, model = read_figure(path, key, leaf), read_figure(path, key, wanted[key])
        if figure.unit != model.unit or (figure.value <= 0 < model.value):
            raise BadFile(path, f"expected a number above 0 in a unit of {model.unit}", key)


def _factors(path: Path, own: Mapping[str, Any], like: Mapping[str, Any]) -> None:
    if own.keys() != like.keys():
        raise BadFile(path, f"expected the parts {', '.join(like)}; {_AGAIN}", "factors")
    for part, nodes in own.items():
        order = list(like[part]["order"])
        if not isinstance(nodes, dict) or list(_part(path, nodes, "order")) != order:
            raise BadFile(path, f"not the parameters of this version of Silmark; {_AGAIN}", f"factors.{part}.order")
        for node, row in nodes.items():
            if node != "order" and not (_numbers(row, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR) and len(row) == len(order)):
                raise BadFile(path, f"expected {len(order)} numbers above 0", f"factors.{part}.{node}")


def _curves(path: Path, own: Mapping[str, Any], _: Mapping[str, Any]) -> None:
    for name, points in own.items():
        rising = _numbers(points, -_LARGEST_LOG, _LARGEST_LOG) and points[0::2] == sorted(points[0::2])
        if not rising or not points or len(points) % 2:
            raise BadFile(path, "expected pairs of logarithms, the first of each pair rising", f"curves.{name}")


def _residuals(path: Path, own: Mapping[str, Any], _: Mapping[str, Any]) -> None:
    for name, row in own.items():
        ends = [row.get("q10"), row.get("q90")] if isinstance(row, dict) else []
        if not ends or not _numbers(ends, -_LARGEST_LOG, _LARGEST_LOG):
            raise BadFile(path, "expected q10 and q90, logarithms", f"residuals.{name}")


def _numbers(values: object, least: float, most: float) -> bool:
    """Whether that is a list of numbers within bounds."""
    if not isinstance(values, list):
        return False
    return all(isinstance(v, int | float) and not isinstance(v, bool) and least <= v <= most for v in values)
