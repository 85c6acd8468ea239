"""How a graph is laid on a system: plans as data, sharding, memory, and what cannot be."""

from silmark.mapping.memory import Memory, memory
from silmark.mapping.plan import Infeasible, Plan
from silmark.mapping.sharding import shard
from silmark.mapping.support import probe, refusal

__all__ = ["Infeasible", "Memory", "Plan", "memory", "probe", "refusal", "shard"]
