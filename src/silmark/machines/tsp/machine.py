"""The tensor streaming processor as a machine: compiles, steps, counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar

from silmark.chips import Chip
from silmark.figures import Interval
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.lowering import lower
from silmark.machines.program import Program
from silmark.machines.run import Event, Refusal, Run, joules
from silmark.machines.shapes import weight_elements
from silmark.machines.tsp.compile import Compiler
from silmark.machines.tsp.execute import Executed, Executor, Fault
from silmark.machines.tsp.geometry import HALVES, Geometry, geometry
from silmark.machines.tsp.instructions import Compute, Load, Multiply, Schedule, Send
from silmark.machines.tsp.resources import NoRoom

_SIDES = {-1: "W", 1: "E"}


class Tsp(Machine):
    """GroqChip 1, one chip or a pipeline of up to eight in a node."""

    name: ClassVar[str] = "tsp"
    title: ClassVar[str] = "tensor streaming processor"
    chips: ClassVar[tuple[str, ...]] = ("groq-groqchip-1",)
    formats: ClassVar[tuple[str, ...]] = ("int8", "fp16")
    operators: ClassVar[tuple[str, ...]] = ("gemm", "gemv", "products", "mlp", "attention", "layer")
    program: ClassVar[str] = "layer"
    options: ClassVar[dict[str, Option]] = {"chips": Option(1, "chips of one node, a pipeline", low=1, high=8)}

    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """See `Machine.run`."""
        facts, form, chips = Facts(self.name, chip), self.format(program), int(options["chips"])
        if f"peak.{form}" not in chip.figures:
            return Refusal(f"{chip.id} does not multiply in {form}", cannot=True)
        floor = geometry(facts)
        if reason := _too_large(program, floor, form, chips):
            return Refusal(reason)
        lowered = lower(program)
        in_turn = program.operator == "products"
        try:
            schedule = Compiler(lowered, floor, exact=form == "int8", in_turn=in_turn, chips=chips).compile()
        except NoRoom:
            room = f"{floor.memory_bytes / 1e6:.1f} MB of SRAM on one chip"
            return Refusal(f"weights, inputs and intermediate results do not fit the {room}; ask for more chips")
        done = Executor(schedule, floor).run()
        if done.cycles != schedule.cycles:
            raise Fault(f"executed in {done.cycles} cycles, predicted were {schedule.cycles}")
        return Run(
            outputs=done.outputs,
            format=form,
            cycles=done.cycles,
            clock_hz=floor.clock_hz,
            energy_j=_energy(done, facts, floor, chips),
            utilisation=_utilisation(done, floor, chips),
            events=tuple(sorted(_events(schedule, floor), key=lambda event: (event.track, event.start))),
            facts={
                "predicted_cycles": schedule.cycles,
                "chips": chips,
                "memory_bytes": schedule.memory_bytes,
                "instructions": len(schedule.instructions),
            },
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """Slices from west to east, each as high as the 20 superlanes; memory slices between two registers together."""
        floor = geometry(Facts(self.name, chip))
        tiles = [Tile("VXM", "VXM", -0.5, 0, 1, 8)]
        for half in HALVES:
            side = _SIDES[half]
            for position in range(1, floor.memory_end + 1):
                label = f"MEM {side}" if position == floor.memory_end // 2 + 1 else ""
                tiles.append(Tile(label, f"MEM {side}", half * position - 0.5, 0, 1, 8))
            tiles.append(Tile(f"SXM {side}", f"SXM {side} in", half * floor.sxm_at - 0.5, 0, 1, 8))
            planes = [n for n in range(floor.planes) if HALVES[n * 2 // floor.planes] == half]
            for row, plane in enumerate(planes):
                height = 8 / len(planes)
                tiles.append(
                    Tile(f"MXM {plane}", f"MXM {plane}", half * (floor.mxm_at + 1) - 1.5, row * height, 3, height)
                )
        return tuple(tiles)


def _too_large(program: Program, floor: Geometry, form: str, chips: int) -> str:
    """Why stored weights cannot fit, with both numbers; empty where they may."""
    needed = weight_elements(program.sizes()) * (1 if form == "int8" else 2)
    if needed <= chips * floor.memory_bytes:
        return ""
    least = -(-needed // floor.memory_bytes)
    room = f"{chips * floor.memory_bytes / 1e6:.1f} MB of SRAM on {chips} chip{'s' if chips > 1 else ''}"
    return f"weights of {needed / 1e6:.1f} MB do not fit the {room}; at least {least} chips"


def _energy(done: Executed, facts: Facts, floor: Geometry, chips: int) -> dict[str, Interval]:
    """Joules by part: what happened times the figure of each, and what idle chips draw all the time."""
    tdp, share = facts.of_chip("power.tdp"), facts.of_chip("power.idle_share")
    seconds = chips * done.cycles / floor.clock_hz
    found = {
        "MXM": joules(done.counts.get("mac_int8", 0), facts.own("energy.mac_int8")),
        "MXM fp16": joules(done.counts.get("mac_fp16", 0), facts.own("energy.mac_fp16")),
        "MEM reads": joules(done.counts.get("read", 0), facts.own("energy.read")),
        "MEM writes": joules(done.counts.get("write", 0), facts.own("energy.write")),
        "streams": joules(done.counts.get("hop", 0), facts.own("energy.hop")),
        "VXM": joules(done.counts.get("alu", 0), facts.own("energy.alu")),
        "SXM": joules(done.counts.get("sxm", 0), facts.own("energy.sxm")),
        "C2C": joules(done.counts.get("link", 0) * floor.lanes * 8, facts.own("energy.link")),
        "idle": Interval(*(seconds * tdp.value * part for part in (share.low, share.value, share.high))),
    }
    return {part: spent for part, spent in found.items() if spent.mid > 0}


def _utilisation(done: Executed, floor: Geometry, chips: int) -> dict[str, float]:
    """Busy share of each unit, over all chips; of ALUs, banks and streams the mean of their kind."""
    counts = {"VXM": floor.alus}
    counts |= {f"MEM {side}": floor.slices * floor.banks for side in _SIDES.values()}
    counts |= {f"SXM {side} {way}": floor.sxm_streams for side in _SIDES.values() for way in ("in", "out")}
    counts |= {f"streams {side} {way}": floor.streams for side in _SIDES.values() for way in ("outward", "inward")}
    busy: dict[str, int] = defaultdict(int)
    for name, cycles in done.busy.items():
        busy[_unit(name.partition("/")[2] or name, floor)] += cycles
    return {unit: cycles / (done.cycles * chips * counts.get(unit, 1)) for unit, cycles in sorted(busy.items())}


def _unit(name: str, floor: Geometry) -> str:
    """The unit of a resource: banks, streams and ways through an SXM by their half."""
    kind, _, rest = name.partition(" ")
    if kind == "VXM":
        return "VXM"
    if kind == "SXM":
        return name.rpartition(" ")[0]
    if kind == "bank":
        return f"MEM {'E' if int(rest) >= floor.slices * floor.banks else 'W'}"
    if kind == "stream":
        flow, half, _ = rest.split(" ")
        return f"streams {_SIDES[int(half)]} {'outward' if flow == half else 'inward'}"
    return name


def _events(schedule: Schedule, floor: Geometry) -> Iterator[Event]:
    """What arrays, ALUs, SXMs and links did; banks and streams follow from it and have no tracks of their own."""
    for one in schedule.instructions:
        if isinstance(one, Multiply | Load):
            cycle = one.burst.at(one.burst.flow * floor.mxm_at)
            track = "MXM" if isinstance(one, Multiply) else "load"
            for plane in one.planes:
                yield Event(f"chip {one.chip}/{track} {plane}", one.name, cycle, one.burst.length)
        elif isinstance(one, Compute):
            yield Event(f"chip {one.chip}/{one.unit[0]}", one.name, one.cycle, one.cycles)
        elif isinstance(one, Send):
            yield Event(f"links/{one.link[0]} to {one.link[1]}", one.name, one.cycle, one.burst.length)
