"""`silmark calibrate`: fits by name, each a module here whose `run` writes its file of data/calibration."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from silmark.errors import MissingExtra, UnknownName

FITS = ("gpu", "systolic", "streaming", "wafer", "dimc", "fabric")
"""Families whose parameters are fitted; photonic and thermodynamic machines only have facts."""


def run(family: str) -> Iterator[str]:
    """Runs one fit, or `all`; yields a line per file written.

    Raises:
        UnknownName: no fit of that name.
        MissingExtra: scipy is not installed.
        BadFile: the measured rows are not where SILMARK_DATA says.
    """
    if family != "all" and family not in FITS:
        raise UnknownName("fit", family, FITS, hint=f"known fits: all, {', '.join(FITS)}")
    for name in FITS if family == "all" else (family,):
        try:
            module = import_module(f"silmark.calibration.{name}")
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("scipy"):
                raise MissingExtra(f"the fit of {name}", "calibrate") from None
            raise
        module.run()
        yield f"wrote data/calibration/{name}.toml"
