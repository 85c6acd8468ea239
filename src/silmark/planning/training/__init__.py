"""The best cut of a training step: every plan of a space as arrays, the rejected ones counted by reason."""

from silmark.planning.training.answer import Answer, Verdict, search
from silmark.planning.training.found import Found, Run
from silmark.planning.training.space import AXES, Asked

__all__ = ["AXES", "Answer", "Asked", "Found", "Run", "Verdict", "search"]
