"""The machines by name; each is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from silmark.errors import UnknownName
from silmark.machines.base import Machine

MACHINES: dict[str, str] = {
    "tsp": "silmark.machines.tsp:Tsp",
    "wafer": "silmark.machines.wafer:WaferMesh",
    "dimc": "silmark.machines.dimc:InMemory",
    "systolic": "silmark.machines.systolic:SystolicArray",
    "photonic": "silmark.machines.photonic:Photonic",
    "tsu": "silmark.machines.tsu:Tsu",
}
"""Name -> where its class is."""


def machine(name: str) -> Machine:
    """The machine of that name; raises UnknownName."""
    if name not in MACHINES:
        raise UnknownName("machine", name, MACHINES, hint=f"known are {', '.join(MACHINES)}")
    module, _, kind = MACHINES[name].partition(":")
    return cast("Machine", getattr(import_module(module), kind)())
