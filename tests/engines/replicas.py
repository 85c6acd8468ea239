"""A replica from words, as the commands make it."""

from __future__ import annotations

from typing import Any

from silmark import models, systems
from silmark.api.single import asked_plan
from silmark.mapping import Infeasible
from silmark.serving.arguments import EngineArgs
from silmark.serving.replica import Replica, replica


def asked(model: str, on: str, precision: str = "default", tp: int | None = None, **args: Any) -> Replica | Infeasible:
    """The replica, or why there is none."""
    loaded, target = models.load(model), systems.target(on)
    plan = asked_plan(loaded, target, (tp, None, None, None, None), precision)
    return replica(loaded, target, plan, EngineArgs(**args))


def running(model: str, on: str, precision: str = "default", tp: int | None = None, **args: Any) -> Replica:
    """The replica, which must come up."""
    found = asked(model, on, precision, tp, **args)
    assert isinstance(found, Replica), found
    return found
