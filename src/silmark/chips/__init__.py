"""Accelerators: their facts (`spec`), where those are read (`catalog`), what turns them into time (`mechanisms`)."""

from silmark.chips.catalog import aliases, load, names, resolve
from silmark.chips.host import HOST
from silmark.chips.spec import Chip

__all__ = ["HOST", "Chip", "aliases", "load", "names", "resolve"]
