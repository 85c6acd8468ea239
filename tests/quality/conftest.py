"""Tests that run models skip where PyTorch is not installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("torch") and any(find_spec(one) is None for one in ("torch", "transformers")):
        pytest.skip("needs PyTorch and transformers: pip install 'silmark[torch]'")
