"""The wafer mesh: cores that know their neighbours only, and products that pass tiles and sums from core to core."""

from silmark.machines.wafer.machine import WaferMesh

__all__ = ["WaferMesh"]
