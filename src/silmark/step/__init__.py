"""StepModel: a (model, system, plan) compiled once; evaluates steps as arrays."""

from silmark.step.cost import OpShare, StepCost
from silmark.step.error import between_plans, grade, grade_each, log_terms, log_widths, log_widths_each, residual
from silmark.step.model import Maturity, StepModel, compile_step

__all__ = [
    "Maturity",
    "OpShare",
    "StepCost",
    "StepModel",
    "between_plans",
    "compile_step",
    "grade",
    "grade_each",
    "log_terms",
    "log_widths",
    "log_widths_each",
    "residual",
]
