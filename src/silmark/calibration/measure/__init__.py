"""Measuring devices: times operators and a small transformer on the machine at hand, with PyTorch.

grid         which shapes: packaged ones (`small`, `full`) or a TOML file
device       what is measured: kind, name, clock, driver and library versions
timer        how: warm-up, caches flushed, repeats, disturbed repeats dropped, bounded time
operators    products, attention, experts, copies, element-wise passes, launches
collectives  exchanges between several devices
transformer  prefill and decode of a small Llama-like model
rows         the CSV that comes out, in the columns of the public operator tables
run          all of it within a budget of seconds

PyTorch is imported when something is measured, never before.
"""

from silmark.calibration.measure.grid import Point, load
from silmark.calibration.measure.rows import COLUMNS, read, write
from silmark.calibration.measure.run import measure

__all__ = ["COLUMNS", "Point", "load", "measure", "read", "write"]
