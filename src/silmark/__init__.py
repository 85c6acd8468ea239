"""Silmark puts every AI accelerator on one scale.

    >>> import silmark
    >>> answer = silmark.compare("llama-3.1-8b", chips="h100,groq")
    >>> [row.chip.id for row in answer.rows]
    ['nvidia-h100-sxm5-80gb', 'groq-groqchip-1']

Everything is imported when first used: importing the package alone costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from silmark.api import Depth, compare, estimate
    from silmark.api.build import build_or_buy
    from silmark.api.claims import check_claim
    from silmark.api.collective import collective
    from silmark.api.cost import cost
    from silmark.api.links import cable, channel
    from silmark.api.memory import memory
    from silmark.api.port import port
    from silmark.api.search import search, size
    from silmark.api.search_training import search_training
    from silmark.api.sweep import sweep
    from silmark.api.system import system
    from silmark.api.train import train
    from silmark.errors import SilmarkError

__version__ = "0.1.0"
__all__ = [
    "Depth", "SilmarkError", "__version__", "build_or_buy", "cable", "channel", "check_claim", "collective",
    "compare", "cost", "estimate", "memory", "port", "search", "search_training", "size", "sweep", "system",
    "train",
]  # fmt: skip

_WHERE = {
    "compare": "silmark.api",
    "estimate": "silmark.api",
    "check_claim": "silmark.api.claims",
    "Depth": "silmark.api",
    "build_or_buy": "silmark.api.build",
    "cost": "silmark.api.cost",
    "port": "silmark.api.port",
    "collective": "silmark.api.collective",
    "cable": "silmark.api.links",
    "channel": "silmark.api.links",
    "memory": "silmark.api.memory",
    "system": "silmark.api.system",
    "size": "silmark.api.search",
    "search_training": "silmark.api.search_training",
    "sweep": "silmark.api.sweep",
    "train": "silmark.api.train",
    "SilmarkError": "silmark.errors",
}


class _Search(ModuleType):
    """The layer `silmark.search`, which can be called: it has the name of the public function."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own types hold
        return import_module("silmark.api.search").search(*args, **kwargs)


class _Silmark(ModuleType):
    """This package; makes the layer callable as the import system binds it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "search" and isinstance(value, ModuleType):
            value.__class__ = _Search
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Silmark


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type depends on the name
    if name == "search":
        return import_module("silmark.search")
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'silmark' has no attribute {name!r}")
