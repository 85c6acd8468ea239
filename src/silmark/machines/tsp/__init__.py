"""The tensor streaming processor: a schedule fixed before the run, streams between functional slices."""

from silmark.machines.tsp.machine import Tsp

__all__ = ["Tsp"]
