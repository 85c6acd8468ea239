"""Runs a program on a virtual machine and compares what comes out with the float64 reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from silmark import chips as catalogue
from silmark.chips import Chip
from silmark.errors import BadValue
from silmark.machines import MACHINES, Program, Refusal
from silmark.machines import machine as machine_of
from silmark.machines.program import load
from silmark.machines.reference import distance, outputs
from silmark.report.machine import MachineAnswer, MachineRow


def machine(
    name: str,
    program: str | Program | None = None,
    *,
    chip: str | Chip | None = None,
    precision: str | None = None,
    options: Mapping[str, str | float] | None = None,
    check: bool = True,
) -> MachineAnswer:
    """Executes a program on a virtual machine, with its own arithmetic, and counts cycles and joules.

    Args:
        name: tsp and others; `silmark machine list` has all.
        program: path of a `.json` file, a packaged program's name, or a Program; None for the one that shows the
            machine.
        chip: one that the machine stands for, by name or `.toml` file; None for its usual one.
        precision: number format in place of the program's; None for that.
        options: the machine's own, by name, such as {"chips": 4}.
        check: compute the float64 reference as well, which takes about as long as the run.

    Raises:
        SilmarkError: a name that is unknown, a file that is broken, or a value that makes no sense.
    """
    made = machine_of(name)
    asked = program if isinstance(program, Program) else load(made.program if program is None else program)
    if precision is not None:
        asked = replace(asked, format=precision)
    silicon = chip if isinstance(chip, Chip) else catalogue.load(made.chips[0] if chip is None else chip)
    found = made.ask(asked, silicon, **(options or {}))
    if isinstance(found, Refusal):
        return MachineAnswer(made, silicon, asked, None, found.reason, cannot=found.cannot)
    exact = outputs(asked) if check else {}
    return MachineAnswer(made, silicon, asked, found, away=distance(found.outputs, exact) if exact else None)


def machines() -> list[MachineRow]:
    """Every machine, with the chips that it stands for."""
    return [MachineRow(machine_of(name)) for name in MACHINES]


def option_words(words: list[str]) -> dict[str, str]:
    """`chips=4` and the like as options; raises BadValue."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise BadValue("set", word, "name=value, such as chips=4")
        found[name] = value
    return found
