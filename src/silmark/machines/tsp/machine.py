"""The tensor streaming processor as a machine: compiles, steps, counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from silmark.chips import Chip
from silmark.figures import Interval
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.lowering import lower
from silmark.machines.program import Program
from silmark.machines.run import Refusal, Run, joules
from silmark.machines.tsp.compile import Compiler
from silmark.machines.tsp.execute import Executed, Executor, Fault
from silmark.machines.tsp.geometry import Geometry, geometry
from silmark.machines.tsp.resources import NoRoom


class Tsp(Machine):
    """GroqChip 1."""

    name: ClassVar[str] = "tsp"
    title: ClassVar[str] = "tensor streaming processor"
    chips: ClassVar[tuple[str, ...]] = ("groq-groqchip-1",)
    formats: ClassVar[tuple[str, ...]] = ("int8", "fp16")
    operators: ClassVar[tuple[str, ...]] = ("gemm", "gemv", "products", "mlp", "attention", "layer")
    program: ClassVar[str] = "gemm"

    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """See `Machine.run`."""
        facts = Facts(self.name, chip)
        floor, lowered = geometry(facts), lower(program)
        exact = self.format(program) == "int8"
        try:
            schedule = Compiler(lowered, floor, exact, program.operator == "products").compile()
        except NoRoom:
            return Refusal(f"weights and activations exceed the {floor.memory_bytes:,} B of one chip")
        done = Executor(schedule, floor).run()
        if done.cycles != schedule.cycles:
            raise Fault(f"executed in {done.cycles} cycles, predicted were {schedule.cycles}")
        return Run(
            outputs=done.outputs,
            format=self.format(program),
            cycles=done.cycles,
            clock_hz=floor.clock_hz,
            energy_j=_energy(done, facts, floor),
            utilisation={name: busy / done.cycles for name, busy in done.busy.items()},
            facts={"memory_bytes": schedule.memory_bytes},
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """Slices from west to east."""
        del chip
        return (Tile("MXM", "MXM", 0, 0, 2, 1),)


def _energy(done: Executed, facts: Facts, floor: Geometry) -> dict[str, Interval]:
    return {}
