"""What one core and one link of the mesh cost, in cycles: the machine's only constants of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from silmark.chips import coefficients
from silmark.figures import Figure
from silmark.machines.base import Facts

FITTED = ("stage", "stream", "start", "step", "scalar")
"""Constants that `silmark calibrate mesh` fits."""
HALF_BYTES = 2
WAVELET = 2
"""16-bit elements of one 32-bit wavelet."""


@dataclass(frozen=True, slots=True)
class Core:
    """Costs of one core.

    Attributes:
        lanes: multiply-adds of a vector instruction per cycle.
        memory: bytes of the core's own SRAM, for code and data.
        hop: cycles of a wavelet from router to router (the alpha of PLMR).
        stage: cycles from the first wavelet that a core waits for to the first one that leaves it (PLMR's beta).
        stream: cycles per wavelet of an instruction that sends, receives or does both.
        start: cycles of a vector instruction before its first elements.
        step: cycles of the tasks that end one step of a product and begin the next.
        scalar: cycles of one exponential, which has no vector instruction.
    """

    lanes: int
    memory: float
    hop: float
    stage: float
    stream: float
    start: float
    step: float
    scalar: float

    def vector(self, elements: int) -> float:
        """Cycles of one vector instruction."""
        return self.start + -(-elements // self.lanes)

    def passing(self, wavelets: int) -> float:
        """Cycles from the first wavelet of a stream to its last one."""
        return (wavelets - 1) * self.stream


@dataclass(frozen=True, slots=True)
class Wafer:
    """One wafer.

    Attributes:
        core: any of its cores.
        width, height: cores per row and column.
        clock: cycles per second.
        routes: colours that a router tells apart.
    """

    core: Core
    width: int
    height: int
    clock: float
    routes: int


def wavelets(elements: int) -> int:
    """Of so many 16-bit elements."""
    return -(-elements // WAVELET)


def read(facts: Facts, clock: float = 0.0) -> Wafer:
    """A chip's wafer.

    Args:
        facts: of the chip and the machine.
        clock: cycles per second; 0 for the chip's own.
    """
    fitted: Mapping[str, Figure] = coefficients.load("mesh")
    for name in FITTED:
        facts.used[f"mesh.{name}"] = fitted[f"core.{name}"]
    return Wafer(
        core=Core(
            lanes=round(facts.of_chip("compute.macs_per_core").value),
            memory=facts.of_chip("compute.sram_per_core").value - facts.own("core.code").value,
            hop=facts.own("link.hop").value,
            **{name: fitted[f"core.{name}"].value for name in FITTED},
        ),
        width=round(facts.of_chip("compute.mesh_width").value),
        height=round(facts.of_chip("compute.mesh_height").value),
        clock=clock or facts.of_chip("compute.clock").value,
        routes=facts.whole("link.routes"),
    )
