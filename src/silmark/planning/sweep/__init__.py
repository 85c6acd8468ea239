"""Sweeps: every point of a grid, on one core or on a cluster, into a folder of Parquet files.

A point is a plan (model, system, precision, cut) with a batch, a prompt and an answer length. Points are numbered in
an order that the grid alone decides, and a shard is a range of those numbers, so that the same file holds the same
bits whatever engine computed it, and a run that was killed goes on where files are missing.
"""

from silmark.planning.sweep.engines import ENGINES, Workers
from silmark.planning.sweep.grid import Cut, Grid
from silmark.planning.sweep.grid_file import parse, read
from silmark.planning.sweep.run import Done, Trial, Watch, run, trial
from silmark.planning.sweep.work import Work

__all__ = ["ENGINES", "Cut", "Done", "Grid", "Trial", "Watch", "Work", "Workers", "parse", "read", "run", "trial"]
