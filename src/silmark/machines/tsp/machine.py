"""The tensor streaming processor as a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from silmark.chips import Chip
from silmark.figures import Interval
from silmark.machines.base import Facts, Machine, Tile, Value
from silmark.machines.lowering import MatMul, lower
from silmark.machines.program import Program
from silmark.machines.run import Event, Refusal, Run
from silmark.machines.semantics import execute


class Tsp(Machine):
    """GroqChip 1 and its successors."""

    name: ClassVar[str] = "tsp"
    title: ClassVar[str] = "tensor streaming processor"
    chips: ClassVar[tuple[str, ...]] = ("groq-groqchip-1",)
    formats: ClassVar[tuple[str, ...]] = ("int8", "fp16")
    operators: ClassVar[tuple[str, ...]] = ("gemm", "gemv", "products", "mlp", "attention", "layer")
    program: ClassVar[str] = "gemm"

    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """Executes a program."""
        del options
        facts, lowered = Facts(self.name, chip), lower(program)
        clock = facts.of_chip("compute.clock").value
        rows, columns = facts.of_chip("compute.rows").value, facts.of_chip("compute.columns").value

        def multiply(one: MatMul, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
            return np.asarray(tensors[one.left] @ tensors[one.right])

        tensors = execute(lowered, multiply, lambda _, x: x)
        events, now = [], 0
        for one in lowered.instructions:
            if isinstance(one, MatMul):
                cycles = int(one.batch * one.m * np.ceil(one.k / rows) * np.ceil(one.n / columns))
                events.append(Event("MXM", one.name, now, cycles))
                now += cycles
        used = facts.of_chip("power.tdp").value * facts.of_chip("power.decode_share").value
        return Run(
            outputs={name: tensors[name] for name in lowered.outputs},
            format=self.format(program),
            cycles=now,
            clock_hz=clock,
            energy_j={"chip": Interval(0.0, now / clock * used, now / clock * used)},
            utilisation={"MXM": 1.0},
            events=tuple(events),
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """Slices from west to east."""
        del chip
        return (Tile("MXM", "MXM", 0, 0, 2, 1),)
