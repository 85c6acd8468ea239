"""A machine's run: document, tables and files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from silmark.chips import Chip
from silmark.figures import Interval
from silmark.figures.numbers import shown, si, three
from silmark.machines import Machine, Program, Run
from silmark.machines.reference import Distance

_UNITS = 12
"""Lines of the table of units; the document has all."""


@dataclass(frozen=True, slots=True)
class MachineRow:
    """One machine of the list."""

    machine: Machine

    def as_dict(self) -> dict[str, Any]:
        """Its row of silmark.machines/1."""
        one = self.machine
        return {
            "name": one.name,
            "title": one.title,
            "chips": list(one.chips),
            "formats": list(one.formats),
            "operators": list(one.operators),
            "program": one.program,
            "options": {name: option.help for name, option in one.options.items()},
        }

    def cells(self) -> list[str]:
        """Its line of the table."""
        one = self.machine
        return [one.name, one.title, ", ".join(one.chips), ", ".join(one.formats), ", ".join(one.operators)]


@dataclass(frozen=True, slots=True)
class MachineAnswer:
    """What `silmark machine run` answers.

    Attributes:
        machine, chip, program: what was asked.
        run: None where the machine cannot run the program; `reason` says why.
        away: distance from the float64 reference; None where none was asked for, or there is none.
    """

    machine: Machine
    chip: Chip
    program: Program
    run: Run | None
    reason: str = ""
    cannot: bool = False
    away: Distance | None = None

    @property
    def status(self) -> str:
        """ok, cannot-run (no such operator here) or infeasible (too large, does not tile)."""
        return "ok" if self.run is not None else "cannot-run" if self.cannot else "infeasible"

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """The document of silmark.machine/1."""
        run, program = self.run, self.program
        return {
            "schema": "silmark.machine/1",
            "question": {
                "machine": self.machine.name,
                "chip": self.chip.id,
                "program": program.name,
                "operator": program.operator,
                "shape": None if program.shape is None else program.shape.model_dump(),
                "format": program.format,
                "seed": program.seed,
            },
            "status": self.status,
            "reason": self.reason,
            "run": None if run is None else self._run(run, explain),
        }

    def _run(self, run: Run, explain: bool) -> dict[str, Any]:
        away = self.away
        return {
            "format": run.format,
            "cycles": run.cycles,
            "clock_hz": run.clock_hz,
            "time_s": run.time_s,
            "energy_j": {name: part.as_dict() for name, part in run.energy_j.items()},
            "total_j": run.total_j.as_dict(),
            "utilisation": dict(run.utilisation),
            "outputs": {name: _tensor(value) for name, value in run.outputs.items()},
            "reference": None if away is None else {"snr_db": away.snr_db, "largest": away.largest},
            "facts": dict(run.facts),
            "figures": [f.as_dict(key) for key, f in sorted(run.figures.items())] if explain else None,
        }

    def timeline(self, path: Path) -> str:
        """Writes the timeline for Perfetto; returns what was left out, empty for nothing."""
        from silmark.machines.timeline import write  # noqa: PLC0415

        return "" if self.run is None else write(self.run, path)

    def plot(self, path: Path) -> None:
        """Draws floor plan and timeline."""
        from silmark.report.floorplan import draw  # noqa: PLC0415

        if self.run is not None:
            draw(self.machine.floorplan(self.chip), self.run, f"{self.program} on {self.chip.id}", path)


def _tensor(value: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What a document says of an output: its shape, size of its values, and a digest of its bytes."""
    rms = float(np.sqrt(np.mean(np.square(value, dtype=np.float64))))
    return {
        "shape": list(value.shape),
        "rms": rms,
        "sha256": hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest(),
    }


def summary(answer: MachineAnswer, run: Run) -> list[list[str]]:
    """What was run and what came out."""
    joules, away = run.total_j, answer.away
    average = f", {si(joules.mid / run.time_s, 'W')} on average" if run.cycles else ""
    lines = [
        ["program", f"{answer.program}, {run.format}"],
        ["cycles", f"{run.cycles:,} at {si(run.clock_hz, 'Hz')}: {si(run.time_s, 's')}"],
        ["energy", _joules(joules) + average],
    ]
    if away is not None:
        same = "equal in every element"
        ratio = same if away.snr_db is None else f"SNR {away.snr_db:.1f} dB, largest error {three(away.largest)} of rms"
        lines.append(["against float64", ratio])
    return lines + [[name.replace("_", " "), _fact(name, value)] for name, value in run.facts.items()]


def _fact(name: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    if name.endswith("_bytes"):
        return si(value, "B")
    if name.endswith("_s"):
        return si(value, "s")
    return f"{value:,}" if isinstance(value, int) else three(value)


def units(run: Run) -> list[list[str]]:
    """The busiest units first."""
    ranked = sorted(run.utilisation.items(), key=lambda one: (-one[1], one[0]))
    return [[name, f"{100 * share:.1f} %"] for name, share in ranked[:_UNITS]]


def energies(run: Run) -> list[list[str]]:
    """Joules by part, the largest first."""
    whole = run.total_j.mid
    ranked = sorted(run.energy_j.items(), key=lambda one: -one[1].mid)
    return [[name, _joules(part), _share(part.mid, whole)] for name, part in ranked]


def _joules(part: Interval) -> str:
    """With its spread where it has one."""
    return shown(part, "J") if part.low > 0 else si(part.mid, "J")


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
