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
    from silmark.api.collective import collective
    from silmark.api.cost import cost
    from silmark.api.links import cable, channel
    from silmark.api.memory import memory
    from silmark.api.port import port
    from silmark.api.system import system
    from silmark.api.train import train
    from silmark.errors import SilmarkError

__version__ = "0.1.0"
__all__ = [
    "Depth", "SilmarkError", "__version__", "build_or_buy", "cable", "channel", "collective", "compare", "cost",
    "estimate", "memory", "port", "system", "train",
]  # fmt: skip

_WHERE = {
    "compare": "silmark.api",
    "estimate": "silmark.api",
    "Depth": "silmark.api",
    "build_or_buy": "silmark.api.build",
    "cost": "silmark.api.cost",
    "port": "silmark.api.port",
    "collective": "silmark.api.collective",
    "cable": "silmark.api.links",
    "channel": "silmark.api.links",
    "memory": "silmark.api.memory",
    "system": "silmark.api.system",
    "train": "silmark.api.train",
    "SilmarkError": "silmark.errors",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type depends on the name
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'silmark' has no attribute {name!r}")
