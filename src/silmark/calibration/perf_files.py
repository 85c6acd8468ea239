"""Finds the tables of an installed aiconfigurator: which operator, on which system, by which release of which library.

Silmark never imports that package, it reads its files. Both layouts are known that its loader accepts, with `.txt`
(CSV) or `.parquet` files:

    systems/data/<system>/<family>/<library>/<version>/<table>_perf.parquet     since 0.11
    systems/data/<system>/<library>/<version>/<table>_perf.txt                  before

A release without a table of its own has none here: what the package lends it from other releases is not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from silmark.errors import BadFile, MissingExtra

PACKAGES = ("aiconfigurator_core", "aiconfigurator")
"""Where the tables lie, the newer package first."""
LIBRARIES = ("trtllm", "sglang", "vllm", "nccl", "oneccl")
_BROKEN = "INCOMPLETE.txt"
_DESCRIBED = "collection_meta.yaml"
_MOST_FOLDERS = 20_000
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:[.\-_]?(dev|a|b|rc|post)(\d*))?")
_STAGES = {"dev": 0, "a": 1, "b": 2, "rc": 3, "": 4, "post": 5}


@dataclass(frozen=True, slots=True)
class PerfFile:
    """One table: path, system and library as the package writes them, version, and name (`gemm_perf`)."""

    path: Path
    system: str
    library: str
    version: str
    name: str


def data_folder(given: Path | None = None) -> Path:
    """The folder that holds one folder per system.

    Args:
        given: a folder of the same layout, in place of the installed package's.

    Raises:
        MissingExtra: no such package is installed.
        BadFile: there is nothing like it.
    """
    if given is not None:
        nested = [given / "systems" / "data", given / "data", given]
        found = next((folder for folder in nested if folder.is_dir()), None)
        if found is None:
            raise BadFile(given, "no such folder; give one that holds <system>/<family>/<library>/<version>")
        return found
    for name in PACKAGES:
        spec = find_spec(name)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            if (Path(root) / "systems" / "data").is_dir():
                return Path(root) / "systems" / "data"
    raise MissingExtra("calibration on published tables", "measurements")


def newest(folder: Path, names: Iterable[str]) -> list[PerfFile]:
    """The tables of these names in their newest release, one per system and library, in order.

    Raises:
        BadFile: the folder cannot be read, or is laid out otherwise.
    """
    wanted = tuple(names)
    best: dict[tuple[str, str, str], PerfFile] = {}
    for file in _files(folder, wanted):
        key = file.system, file.name, file.library
        if key not in best or age(file.version) > age(best[key].version):
            best[key] = file
    if not best:
        layout = "<system>/<family>/<library>/<version>/<table>_perf.parquet"
        raise BadFile(folder, f"no tables in {layout}; known are those of aiconfigurator-core 0.11 and 0.12")
    return [best[key] for key in sorted(best)]


def age(version: str) -> tuple[tuple[int, ...], int, int, str]:
    """Orders releases: 1.3.0rc9 < 1.3.0rc20 < 1.3.0 < 1.3.0.post1; what is no version comes first."""
    found = _VERSION.match(version)
    if found is None:
        return (), 0, 0, version
    numbers, stage, serial = found.groups()
    return tuple(int(part[:9]) for part in numbers.split(".")), _STAGES[stage or ""], int((serial or "0")[:9]), version


def _files(folder: Path, names: tuple[str, ...]) -> Iterator[PerfFile]:
    for seen, (system, library, release) in enumerate(_releases(folder)):
        if seen == _MOST_FOLDERS:
            raise BadFile(folder, f"more than {_MOST_FOLDERS:,} releases; not the tables of aiconfigurator")
        if (release / _BROKEN).exists() and not (release / _DESCRIBED).exists():
            continue
        for name in names:
            for path in (release / f"{name}.parquet", release / f"{name}.txt"):
                if path.is_file():
                    yield PerfFile(path, system.name, library, release.name, name)
                    break


def _releases(folder: Path) -> Iterator[tuple[Path, str, Path]]:
    """System, library and folder of every release, in either layout."""
    for system in _folders(folder):
        for first in _folders(system):
            parts = [first] if first.name in LIBRARIES else _folders(first)
            for library in parts:
                if library.name in LIBRARIES:
                    for release in _folders(library):
                        yield system, library.name, release


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] not in "._")
    except OSError as error:
        raise BadFile(folder, error.strerror or "cannot be read") from None
