"""Grids small enough to be swept in a test, and large enough to have every status."""

from __future__ import annotations

from typing import Any

import pytest

SMALL: dict[str, Any] = {
    "models": ["llama-3.1-8b", "llama-3.1-70b"],
    "on": ["8x:h100", "cs-3", "1x:extropic-z1"],
    "precision": ["default", "fp8"],
    "tp": ["auto", 4],
    "dp": ["auto", 2],
    "batch": {"from": 1, "to": 4096, "steps": 4, "log": True},
    "prompt": [100, 9000],
    "output": [256],
    "results": {"rows_per_file": 50},
}


@pytest.fixture
def small() -> dict[str, Any]:
    """A grid of 384 points in eight files."""
    return {key: dict(value) if isinstance(value, dict) else list(value) for key, value in SMALL.items()}


@pytest.fixture
def small_toml() -> str:
    """The same as a file."""
    axes = (f"{key} = {value}".replace("'", '"') for key, value in SMALL.items() if not isinstance(value, dict))
    return "\n".join([*axes, "batch = {from = 1, to = 4096, steps = 4, log = true}", "[results]", "rows_per_file = 50"])
