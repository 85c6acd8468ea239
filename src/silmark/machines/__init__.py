"""Virtual machines: small programs executed with a chip's own arithmetic, its cycles and joules counted."""

from silmark.machines.base import Machine, Option
from silmark.machines.program import Program
from silmark.machines.registry import MACHINES, machine
from silmark.machines.run import Event, Refusal, Run

__all__ = ["MACHINES", "Event", "Machine", "Option", "Program", "Refusal", "Run", "machine"]
