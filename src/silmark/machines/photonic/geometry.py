"""Sizes, rates and times of a machine, in cycles of its clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, inf

from silmark.figures import Figure
from silmark.machines.base import Facts, Value

ACTIVATION_BYTES = 2
RESULT_BYTES = 4
"""Sums leave the accumulators in float32, see `AnalogTile.out`."""
_SCALE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Geometry:
    """One machine.

    Attributes:
        rows, columns, cores: inputs and outputs of a core, and how many there are.
        clock: vectors per second of a core, Hz.
        install: cycles to write a tile.
        planes: of weight cells per core; with two, one is written while light passes the other.
        pipeline: cycles from a vector to its sums.
        period, calibration: cycles between two calibrations and of one.
        digital: operations per cycle of the electronic dies.
        exponential: operations of one.
        sram: bytes per cycle of the on-package memory.
        sram_bytes: its size.
        staging: bytes of it for tiles between the host and their cells.
        host: bytes per cycle from the host's memory; infinite where weights lie on the package.
        prefilled: the cells hold the first tiles before the run.
        optical_attention: products of two computed operands run on the cores too.
    """

    rows: int
    columns: int
    cores: int
    clock: float
    install: int
    planes: int
    pipeline: int
    period: float
    calibration: int
    digital: float
    exponential: float
    sram: float
    sram_bytes: float
    staging: float
    host: float
    prefilled: bool
    optical_attention: bool

    @property
    def tile_bytes(self) -> int:
        """A byte per weight, a bf16 scale per column."""
        return self.columns * (self.rows + _SCALE_BYTES)

    @property
    def multiply_adds(self) -> int:
        """Per cycle, all cores lit."""
        return self.rows * self.columns * self.cores

    def reloading(self, factor: float) -> Geometry:
        """The same with another time per tile."""
        return replace(self, install=ceil(self.install * factor))


def of_crossbar(facts: Facts, options: Mapping[str, Value]) -> Geometry:
    """Lightmatter's processors: sizes, clock and reload from the chip's file."""
    rows, columns, cores = (round(facts.of_chip(f"compute.{key}").value) for key in ("rows", "columns", "arrays"))
    clock = 1e9 * float(options["clock_ghz"]) or facts.of_chip("compute.clock").value
    return _common(facts, options, rows, columns, cores, clock, reload(facts, options, rows).value)


def of_mesh(facts: Facts, options: Mapping[str, Value]) -> Geometry:
    """Mars: one mesh, all of whose figures stand in the machine's file."""
    size = facts.whole("mesh.size")
    clock = 1e9 * float(options["clock_ghz"]) or facts.own("mesh.clock").value
    return _common(facts, options, size, size, 1, clock, reload(facts, options, size).value)


def reload(facts: Facts, options: Mapping[str, Value], rows: int) -> Figure:
    """Seconds to write a tile: stated by the file, or a row per transfer and the cells' settling."""
    if options["reload"] == "rows":
        transfer, settle = facts.own("reload.transfer"), facts.own("reload.settle")
        return replace(
            transfer,
            unit="s",
            value=rows / transfer.value + settle.value,
            low=rows / transfer.high + settle.low,
            high=rows / transfer.low + settle.high,
        )
    return facts.own("mesh.install") if options["optics"] == "mesh" else facts.of_chip("compute.weight_install")


def _common(
    facts: Facts, options: Mapping[str, Value], rows: int, columns: int, cores: int, clock: float, install: float
) -> Geometry:
    hours = float(options["every"]) or facts.own("calibration.period").value / 3600
    return Geometry(
        rows=rows,
        columns=columns,
        cores=cores,
        clock=clock,
        install=max(1, ceil(install * clock)),
        planes=int(options["buffers"]),
        pipeline=facts.whole("latency.pipeline"),
        period=hours * 3600 * clock,
        calibration=ceil(facts.own("calibration.duration").value * clock),
        digital=facts.of_chip("compute.digital").value / clock,
        exponential=facts.own("digital.exponential").value,
        sram=facts.of_chip("memory.sram.bandwidth").value / clock,
        sram_bytes=(room := facts.of_chip("memory.sram.capacity").value),
        staging=room,
        host=inf if options["weights"] == "sram" else facts.of_chip("memory.main.bandwidth").value / clock,
        prefilled=options["cells"] == "first",
        optical_attention=options["attention"] == "optical",
    )
