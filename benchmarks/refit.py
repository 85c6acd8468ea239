"""Fits everything anew in a copy of the package and compares with the parameters that the checkout holds.

Run by `make refit`, or with names of fits as arguments. The copy is fitted in the order in which parts rest on each
other: mechanisms, then what engines add, error bars and operators' corrections. Dates do not count. Exit code 1 if a
number differs by more than one part in a thousand, which no rounding explains (files keep four digits).

Not fitted, hence not here: `cpu` (assumed), `photonic` (facts), `host` (rows of the user's own machine).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silmark.calibration import FITS

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "silmark"
CHAIN = "validate"
"""Engines, residual classes and operators' corrections, which one command writes."""
WRITES = {
    **{name: (f"calibration/{name}.toml",) for name in FITS},
    CHAIN: (
        "calibration/engines.toml",
        "calibration/residuals.toml",
        "calibration/operators.toml",
        "corrections/*.toml",
    ),
}
RELATIVE, ABSOLUTE = 1e-3, 1e-6
_SHOWN = 12
_UNSTABLE = ("covariance",)
"""Tables whose entries nearly cancel: another library's last digits move them, and no answer reads them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that came out otherwise; NaN where it is missing on one side."""

    key: str
    committed: float
    found: float

    def __str__(self) -> str:
        return f"{self.key}: {self.committed:.6g} committed, {self.found:.6g} found"


def numbers(table: Any, path: str = "") -> Iterator[tuple[str, float]]:  # noqa: ANN401 - any TOML value
    """Every number of a table with its dotted name."""
    match table:
        case bool() | str():
            return
        case int() | float():
            yield path, float(table)
        case list():
            for i, value in enumerate(table):
                yield from numbers(value, f"{path}[{i}]")
        case dict():
            for key, value in table.items():
                if not path and key in _UNSTABLE:
                    continue
                yield from numbers(value, f"{path}.{key}" if path else str(key))


def differences(committed: Path, found: Path) -> tuple[int, list[Difference]]:
    """Numbers compared in two TOML files, and those that differ."""
    one, other = (dict(numbers(tomllib.loads(path.read_text(encoding="utf-8")))) for path in (committed, found))
    keys = {**one, **other}
    apart = []
    for key in keys:
        a, b = one.get(key, float("nan")), other.get(key, float("nan"))
        if not abs(a - b) <= ABSOLUTE + RELATIVE * max(abs(a), abs(b)):
            apart.append(Difference(key, a, b))
    return len(keys), apart


def refit(name: str, copy: Path) -> float:
    """Runs one fit on the copy; returns wall seconds."""
    words = ["validate", "--write"] if name == CHAIN else ["calibrate", name]
    home = copy / "home"
    environment = {**os.environ, "PYTHONPATH": str(copy), "SILMARK_CACHE": str(home), "SILMARK_HOME": str(home)}
    start = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "silmark", *words], env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        sys.exit(f"{name}: {ran.stderr.strip() or ran.stdout.strip()}")
    return time.perf_counter() - start


def _known(name: str) -> str:
    if name not in WRITES:
        raise argparse.ArgumentTypeError(f"{name}: expected one of {', '.join(WRITES)}")
    return name


def main() -> int:
    """Fits what was asked, prints a line per fit and returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("fits", nargs="*", type=_known, help="all in order, if none is named")
    asked = parser.parse_args().fits or list(WRITES)
    total, apart = 0.0, 0
    with tempfile.TemporaryDirectory(prefix="silmark-refit-") as folder:
        copy = Path(folder)
        shutil.copytree(PACKAGE, copy / "silmark", ignore=shutil.ignore_patterns("__pycache__"))
        for name in (name for name in WRITES if name in asked):
            seconds = refit(name, copy)
            total += seconds
            print(f"{name:<10} {seconds:7.1f} s", flush=True)
            for pattern in WRITES[name]:
                for committed in sorted((PACKAGE / "data").glob(pattern)):
                    place = committed.relative_to(PACKAGE)
                    count, found = differences(committed, copy / "silmark" / place)
                    apart += len(found)
                    said = f"{len(found):,} differ" if found else "all as committed"
                    print(f"           {place.name}: {count:,} numbers, {said}")
                    for one in found[:_SHOWN]:
                        print(f"             {one}")
                    if len(found) > _SHOWN:
                        print(f"             and {len(found) - _SHOWN:,} more")
    print(f"{'total':<10} {total:7.1f} s, {apart:,} numbers differ by more than {RELATIVE:.1%}")
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
