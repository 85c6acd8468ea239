"""Silmark puts every AI accelerator on one scale.

    >>> import silmark
    >>> answer = silmark.compare("llama-3.1-8b", chips="h100,groq")
    >>> [row.chip.id for row in answer.rows]
    ['nvidia-h100-sxm5-80gb', 'groq-groqchip-1']

Everything is imported when first used: importing the package alone costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from silmark.api import Depth, compare, estimate
    from silmark.api.build import build_or_buy
    from silmark.api.capacity import capacity
    from silmark.api.claims import check_claim
    from silmark.api.collective import collective
    from silmark.api.cost import cost
    from silmark.api.engine import engine
    from silmark.api.links import cable, channel
    from silmark.api.machine import machine
    from silmark.api.memory import memory
    from silmark.api.port import port
    from silmark.api.quality import output_quality
    from silmark.api.search import search, size
    from silmark.api.search_training import search_training
    from silmark.api.serve_sim import serve_sim
    from silmark.api.support import support, support_formats, support_matrix
    from silmark.api.sweep import sweep
    from silmark.api.system import system
    from silmark.api.trace import trace
    from silmark.api.train import train
    from silmark.errors import SilmarkError

__version__ = "0.1.0"
__all__ = [
    "Depth", "SilmarkError", "__version__", "build_or_buy", "cable", "capacity", "channel", "check_claim", "collective",
    "compare", "cost", "engine", "estimate", "machine", "memory", "output_quality", "port", "search",
    "search_training", "serve_sim", "size", "support", "support_formats", "support_matrix", "sweep", "system", "trace",
    "train",
]  # fmt: skip

_WHERE = {
    "Depth": "silmark.api",
    "SilmarkError": "silmark.errors",
    "build_or_buy": "silmark.api.build",
    "cable": "silmark.api.links",
    "capacity": "silmark.api.capacity",
    "channel": "silmark.api.links",
    "check_claim": "silmark.api.claims",
    "collective": "silmark.api.collective",
    "compare": "silmark.api",
    "cost": "silmark.api.cost",
    "engine": "silmark.api.engine",
    "estimate": "silmark.api",
    "machine": "silmark.api.machine",
    "memory": "silmark.api.memory",
    "output_quality": "silmark.api.quality",
    "port": "silmark.api.port",
    "search": "silmark.api.search",
    "search_training": "silmark.api.search_training",
    "serve_sim": "silmark.api.serve_sim",
    "size": "silmark.api.search",
    "support": "silmark.api.support",
    "support_formats": "silmark.api.support",
    "support_matrix": "silmark.api.support",
    "sweep": "silmark.api.sweep",
    "system": "silmark.api.system",
    "trace": "silmark.api.trace",
    "train": "silmark.api.train",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type depends on the name
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'silmark' has no attribute {name!r}")
