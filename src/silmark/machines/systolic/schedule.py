"""Which array does what when, and when the weights arrive: the schedule of a static compiler, made of whole cycles.

Products run one after another, since each needs the one before. A product's folds are shared out to the arrays, or the
streamed rows of each fold are, whichever is faster; an array that can be split is split where that helps. Weights
stream from main memory in program order, as far ahead as the on-die memory has room; a fold waits for its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from silmark.machines.lowering import Instruction, MatMul, Move, Vector
from silmark.machines.run import Event
from silmark.machines.systolic.dataflow import Dataflow, Folds, fold
from silmark.machines.vectors import operations

MAIN, SRAM, VECTORS = "main memory", "on-die memory", "vector unit"


@dataclass(frozen=True, slots=True)
class Core:
    """The sizes and rates of one chip, per cycle.

    Attributes:
        rows, columns, arrays: of its matrix unit.
        splits: 1 and the powers of two by which each side of an array may be cut.
        at_once: multiply-adds of a cell per cycle: 2 where a narrow format runs at twice the rate.
        bandwidth: bytes from main memory.
        resident: bytes from the on-die memory where all weights lie there; 0 where they stream from main memory.
        vector: operations of the vector unit.
        staged: bytes of activations that the on-die memory holds, and as many of weights that wait for their product.
        weight_bytes, activation_bytes: per element.
        exponential: operations of one.
    """

    rows: int
    columns: int
    arrays: int
    splits: tuple[int, ...]
    at_once: int
    bandwidth: float
    resident: float
    vector: float
    staged: float
    weight_bytes: float
    activation_bytes: float
    exponential: float

    @property
    def multiply_adds(self) -> int:
        """Per cycle, all cells busy."""
        return self.rows * self.columns * self.arrays * self.at_once


@dataclass(frozen=True, slots=True)
class Layout:
    """How a product lies on the arrays.

    Attributes:
        split: parts per side of an array.
        folds: of one batch entry on one (part of an) array, with the depth that one of them streams.
        units: arrays, or parts of arrays.
        jobs: (fold, share of its streamed rows) pairs in all; unit i runs jobs i, i + units, ...
        shares: parts into which the streamed rows are cut.
    """

    split: int
    folds: Folds
    units: int
    jobs: int
    shares: int

    def of_unit(self, unit: int) -> int:
        """Jobs of one unit."""
        return len(range(unit, self.jobs, self.units))

    def busy(self, array: int) -> int:
        """Cycles that a whole array has something in it: those of its busiest part."""
        return self.folds.overlapped(self.of_unit(array * self.split**2))

    @property
    def cycles(self) -> int:
        """Cycles without waiting for memory."""
        return self.busy(0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens when.

    Attributes:
        cycles: until the last result.
        events: of arrays, vector unit and main memory.
        busy: cycles by unit.
        layouts: of every product, by its name.
        multiply_adds, vector_operations: done in all.
        main_bytes, sram_bytes: moved over main and on-die memory.
    """

    cycles: int
    events: tuple[Event, ...]
    busy: dict[str, int]
    layouts: dict[str, Layout]
    multiply_adds: int
    vector_operations: float
    main_bytes: float
    sram_bytes: float


def lay(core: Core, one: MatMul, dataflow: Dataflow) -> Layout:
    """The fastest way to lay one product out."""
    found = []
    for split in core.splits:
        rows, columns, units = core.rows // split, core.columns // split, core.arrays * split**2
        whole = fold(dataflow, one.m, one.n, one.k, rows, columns)
        depth = ceil(whole.depth / core.at_once)
        count = one.batch * whole.count
        # Shares of a sum would have to be added afterwards, which output-stationary cells cannot.
        for shares in {1} if dataflow == "output" else {1, max(1, units // count), units}:
            folds = replace(whole, depth=ceil(depth / shares))
            found.append(Layout(split, folds, units, count * ceil(depth / folds.depth), ceil(depth / folds.depth)))
    return min(found, key=lambda layout: (layout.cycles, layout.split, layout.shares))


class _Clock:
    """Lines of the timeline as they fill."""

    def __init__(self) -> None:
        self.now = 0  # every result so far is there
        self.fetched = {MAIN: 0, SRAM: 0}  # a memory is free from here on
        self.waiting: list[tuple[int, float]] = []  # weights on the die: until when, bytes
        self.freed = 0  # the last weights that had to leave the die for others left it then
        self.events: list[Event] = []
        self.busy: dict[str, int] = {MAIN: 0, VECTORS: 0}

    def note(self, track: str, name: str, start: int, cycles: int) -> None:
        if cycles:
            self.events.append(Event(track, name, start, cycles))
            self.busy[track] = self.busy.get(track, 0) + cycles

    def fetch(self, memory: str, name: str, cycles: int, earliest: int) -> tuple[int, int]:
        """Streams from a memory; returns when that begins and ends."""
        start = max(self.fetched[memory], earliest)
        self.note(memory, name, start, cycles)
        self.fetched[memory] = start + cycles
        return start, start + cycles

    def room(self, bytes_: float, capacity: float) -> int:
        """From when on there is room for weights: products end in order, and free theirs."""
        while self.waiting and sum(held for _, held in self.waiting) + bytes_ > capacity:
            self.freed = self.waiting.pop(0)[0]
        return self.freed


def schedule(core: Core, instructions: Sequence[Instruction], inputs: float, dataflow: Dataflow) -> Schedule:
    """The schedule of a program.

    Args:
        core: the chip.
        instructions: in order.
        inputs: bytes that have to be read before the first of them: activations of the program.
        dataflow: what the arrays hold still.
    """
    clock, layouts = _Clock(), {}
    inputs = inputs if inputs <= core.staged else 0.0  # what cannot be held passes with the product that reads it
    main, sram, done, vector = inputs, 0.0, 0, 0.0
    _, clock.now = clock.fetch(MAIN, "inputs", ceil(inputs / core.bandwidth), 0)
    for one in instructions:
        match one:
            case MatMul():
                layout = layouts[one.name] = lay(core, one, dataflow)
                _product(clock, core, one, layout)
                main += spilled(core, one) + (0.0 if core.resident else stored(core, one))
                sram, done = sram + passed(core, one, layout, dataflow), done + one.multiply_adds
            case Vector():
                work = operations(one, core.exponential)
                cycles = ceil(work / core.vector)
                clock.note(VECTORS, one.name, clock.now, cycles)
                clock.now, vector = clock.now + cycles, vector + work
                sram += one.elements * (1 + len(one.inputs)) * core.activation_bytes
            case Move():
                if bytes_ := cached(one) * core.activation_bytes:
                    _, arrived = clock.fetch(MAIN, one.name, ceil(bytes_ / core.bandwidth), 0)
                    clock.now, main = max(clock.now, arrived), main + bytes_
    return Schedule(clock.now, tuple(clock.events), clock.busy, layouts, done, vector, main, sram)


def _product(clock: _Clock, core: Core, one: MatMul, layout: Layout) -> None:
    """Runs a product."""
    rounds = -(-layout.jobs // layout.units)
    entered, ended = clock.now, 0
    weights, activations = stored(core, one), spilled(core, one)
    earliest = max(clock.room(weights, core.staged), clock.now if activations else 0)
    on_die, main = (weights, activations) if core.resident else (0.0, weights + activations)
    for memory, rate, bytes_ in ((SRAM, core.resident, on_die), (MAIN, core.bandwidth, main)):
        if bytes_:
            cycles = ceil(bytes_ / rate)
            start, arrived = clock.fetch(memory, one.name, cycles, earliest)
            entered, ended = max(entered, start + ceil(cycles / rounds)), max(ended, arrived + layout.folds.alone)
    clock.now = max(entered + layout.cycles, ended)
    begun = clock.now - layout.cycles  # as late as the last weights allow, so that no fold waits for its own
    for array in range(core.arrays):
        clock.note(f"array {array}", f"{one.name} {_part(layout)}".strip(), begun, layout.busy(array))
    clock.waiting.append((clock.now, weights))


def stored(core: Core, one: MatMul) -> float:
    """Bytes of the product's weights, if it has any."""
    return one.k * one.n * one.batch * core.weight_bytes if one.stored else 0.0


def _part(layout: Layout) -> str:
    return f"in {layout.split**2} parts" if layout.split > 1 else ""


def spilled(core: Core, one: MatMul) -> float:
    """Bytes of activations that the on-die memory cannot hold and that pass main memory: in and out."""
    bytes_ = one.batch * one.m * (one.k + one.n) * core.activation_bytes
    return bytes_ if bytes_ > core.staged else 0.0


def passed(core: Core, one: MatMul, layout: Layout, dataflow: Dataflow) -> float:
    """Bytes between on-die memory and arrays: each operand as often as the other's folds ask for it.

    Partial sums are four bytes and are read and written once per fold in depth but the last.
    """
    down, across = layout.folds.down, layout.folds.across
    left, right, out = one.m * one.k, one.k * one.n, one.m * one.n
    match dataflow:
        case "weight":
            times = (across, layout.shares, down)
        case "input":
            times = (layout.shares, across, down)
        case "output":
            times = (across, down, 1)
    read = left * times[0] * core.activation_bytes + right * times[1] * core.weight_bytes
    return one.batch * (read + out * (core.activation_bytes + 8 * (times[2] - 1)))


def cached(one: Move) -> int:
    """Elements of a cache that come from main memory: what `append` has before the new tokens."""
    if one.layout != "append":
        return 0
    tokens, width, groups = one.settings["tokens"], one.settings["width"], one.settings["groups"]
    return one.elements - groups * tokens * width


def splits(most: float) -> tuple[int, ...]:
    """1 and the powers of two up to `most`."""
    return tuple(2**power for power in range(max(1, int(most)).bit_length()))
