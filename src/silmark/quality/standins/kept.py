"""Trains a small model once and keeps its weights in the cache folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

import torch
from torch import nn

from silmark.figures.tables import cache_folder

_Module = TypeVar("_Module", bound=nn.Module)


def trained(name: str, recipe: object, module: Callable[[], _Module], train: Callable[[_Module], None]) -> _Module:
    """The module with trained weights: read where they were kept, else trained and kept.

    One thread and a seed of its own make training repeat on one kind of processor; others differ in the last digits
    of sums, and so in weights. The caller's random numbers and threads stay as they were.

    Args:
        name: of the kept file.
        recipe: all that the weights depend on, besides the versions of PyTorch and of the module's own code.
        module: builds it with random weights.
        train: changes them.
    """
    from safetensors.torch import load_file, save_file  # noqa: PLC0415 - only stand-ins are kept

    digest = sha256(repr((recipe, torch.__version__)).encode()).hexdigest()[:12]
    path = cache_folder() / "quality" / f"{name}-{digest}.safetensors"
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = module()
        if path.is_file():
            built.load_state_dict(load_file(path))
            return built.eval()
        torch.set_num_threads(1)
        try:
            train(built.train())
        finally:
            torch.set_num_threads(threads)
    built.eval()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}")
        save_file(built.state_dict(), scratch)
        scratch.replace(path)
    except OSError:
        pass  # a read-only home only costs time
    return built
