"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BOX = """
id = "box"
name = "Eight H100 PCIe behind two switches"
kind = "node"
chip = "nvidia-h100-pcie-80gb"
chips = 8
units_max = 4

[scale_up]
topology = "switch"

[power]
host = { value = 1500, unit = "W", low = 1000, high = 2400, source = "mine", grade = "assumed" }

[price]
purchase = { value = 3e5, unit = "USD", low = 2e5, high = 4e5, source = "mine", grade = "assumed", date = "2026-10" }

[[host]]
name = "cpu"
count = 2

[[switch]]
name = "fabric"
part = "generic-pcie-switch-5"
count = 2

[[memory]]
name = "host"
kind = "host"
capacity = { value = 1, unit = "TB", source = "mine", grade = "assumed" }
bandwidth = { value = 600, unit = "GB/s", source = "mine", grade = "assumed" }
latency = { value = 110, unit = "ns", low = 90, high = 150, source = "mine", grade = "assumed" }

[[memory]]
name = "cxl"
kind = "cxl"
part = "astera-leo"
count = 2

[[link]]
name = "slot"
role = ["scale_up", "host"]
technology = "pcie-5"
between = ["fabric", "chips"]
medium = "board-low-loss"
length = { value = 45, unit = "cm", source = "mine", grade = "assumed" }
connectors = 2
vias = 4
parts = ["astera-aries-5"]

[[link]]
name = "uplink"
role = ["scale_up", "host"]
technology = "pcie-5"
between = ["cpu", "fabric"]
medium = "board-low-loss"
length = { value = 20, unit = "cm", source = "mine", grade = "assumed" }
connectors = 1
card = false

[[link]]
name = "sockets"
role = ["scale_up", "host"]
technology = "intel-upi-2"
between = ["cpu", "cpu"]
pattern = "pairs"
ports = 3
medium = "board-low-loss"
length = { value = 20, unit = "cm", source = "mine", grade = "assumed" }

[[link]]
name = "expansion"
role = "memory"
technology = "cxl-2"
between = ["cpu", "cxl"]
medium = "board-low-loss"
length = { value = 20, unit = "cm", source = "mine", grade = "assumed" }
connectors = 1

[[link]]
name = "network"
role = "scale_out"
technology = "ethernet-400g"
between = ["cpu", "network"]
medium = "aec"
length = { value = 2.5, unit = "m", source = "mine", grade = "assumed" }
parts = ["generic-nic-400", "astera-taurus-800"]
"""


@pytest.fixture(scope="session")
def box_toml() -> str:
    """Text of a wired unit as a user would write it, to be changed."""
    return BOX


@pytest.fixture
def box(own_file: Callable[..., str]) -> str:
    """Path of that unit."""
    return own_file(BOX)
