"""Links below bandwidth: lanes and encodings, channels and their loss, retimers, cables, optics, memory behind them."""

from silmark.fabric.physical.catalog import medium, names, part, technology
from silmark.fabric.physical.spec import Medium, Part, Technology
from silmark.fabric.physical.wire import Training, Wire, train

__all__ = ["Medium", "Part", "Technology", "Training", "Wire", "medium", "names", "part", "technology", "train"]
