"""`silmark calibrate`: fits by name, each a module here whose `run` writes its file of data/calibration."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from silmark.errors import BadValue, UnknownName, fitting
from silmark.figures.own import refuse_to_write

FITS = ("gpu", "gpu_sparse", "systolic", "streaming", "wafer", "mesh", "dimc", "fabric", "exchange", "training")
"""Families whose parameters are fitted; photonic and thermodynamic machines only have facts."""
HOST = "host"
"""The user's own processor: fitted on rows of `silmark measure`, and written to the user's folder."""
MEASUREMENTS = "measurements"
"""Tables of an installed aiconfigurator; `validation.own` runs it, since it measures its own errors."""


def run(family: str, rows: Path | None = None) -> Iterator[str]:
    """Runs one fit, or `all`; yields a line per file written.

    Args:
        family: a fit, `all` of them, or `host`.
        rows: what `silmark measure` wrote, for `host` only.

    Raises:
        UnknownName: no fit of that name.
        BadValue: the environment names a calibration of the user's own.
        BadValue: rows for another fit than host's, or none for it.
        MissingExtra: scipy is not installed.
        BadFile: the measured rows are not where SILMARK_DATA says.
    """
    if family not in (*FITS, "all", HOST):
        known = (*FITS, HOST, MEASUREMENTS)
        raise UnknownName("fit", family, known, hint=f"known fits: all, {', '.join(known)}")
    if (rows is None) is (family == HOST):
        wanted = "the CSV of `silmark measure`" if family == HOST else f"none: {family} reads SILMARK_DATA"
        raise BadValue("rows", str(rows or ""), wanted)
    if rows is not None:
        yield from _host(rows)
        return
    refuse_to_write()
    for name in FITS if family == "all" else (family,):
        with fitting(f"the fit of {name}"):
            import_module(f"silmark.calibration.{name}").run()
        yield f"wrote data/calibration/{name}.toml"


def _host(rows: Path) -> Iterator[str]:
    from silmark.calibration import host  # noqa: PLC0415 - reads models, which no other fit does

    with fitting(f"the fit of {HOST}"):
        written = host.run(rows)
    yield f"wrote {written}"
    for label, row in host.summary():
        yield f"{label:<32} {row['rows']:>4.0f} rows, median error {row['median_error']:.1%}, bias {row['bias']:+.1%}"
