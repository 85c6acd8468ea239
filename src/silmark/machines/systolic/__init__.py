"""The systolic array: operands move one cell per cycle, and every cell multiplies what passes."""

from silmark.machines.systolic.machine import SystolicArray

__all__ = ["SystolicArray"]
