"""What chips are built into: nodes, racks, appliances, with links, host, power and price."""

from silmark.systems.catalog import load, names, target, usual
from silmark.systems.memory import MemoryTier
from silmark.systems.spec import System, Target

__all__ = ["MemoryTier", "System", "Target", "load", "names", "target", "usual"]
