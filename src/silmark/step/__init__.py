"""StepModel: a (model, system, plan) compiled once; evaluates steps as arrays."""

from silmark.step.cost import OpShare, StepCost
from silmark.step.error import grade, log_widths, residual
from silmark.step.model import Maturity, StepModel, compile_step

__all__ = ["Maturity", "OpShare", "StepCost", "StepModel", "compile_step", "grade", "log_widths", "residual"]
