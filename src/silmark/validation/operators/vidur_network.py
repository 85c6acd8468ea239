"""All-reduce and sends inside a node, between bridged cards and between nodes (vidur); sizes are bytes.

`dgx` is a node with NVSwitch. `pairwise_nvlink` is a PCIe server whose cards are bridged in pairs: two cards of a pair
have NVLink, a larger group goes round through the host, and between servers there is what a server of such cards has.
"""

from __future__ import annotations

from dataclasses import replace

from silmark import fabric
from silmark.chips import Chip, catalog
from silmark.errors import UnknownName
from silmark.fabric import Link, Reach
from silmark.figures.tables import packaged
from silmark.graph import Array
from silmark.systems import System, Target
from silmark.systems.catalog import load, usual
from silmark.validation.operators.collectives import PATTERN, reach
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, whole

COLUMNS = frozenset({"num_workers", "size_bytes", "devices_per_node", "op", "topology"})
_PAIRWISE = "pairwise_nvlink"
_PAIR = 2
_SERVERS = {"PCIe 4.0 x16": "pcie4-server-8", "PCIe 5.0 x16": "pcie5-server-8"}


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    size = table.number("size_bytes")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        topology, op, workers, per_node = key
        hardware, _, wiring = topology.partition("_")
        if op not in PATTERN:
            raise UnknownName("collective", op, PATTERN)
        cards = wiring == _PAIRWISE
        bridged: dict[str, str] = packaged("aliases")["hardware"]["bridged"] if cards else {}
        chip = bridged.get(hardware) or alias("hardware", hardware)
        n, inside = whole("num_workers", workers), whole("devices_per_node", per_node)
        node = min(n, inside)
        through = _bridge(chip) if hardware in bridged else reach(chip, node).up
        if n <= inside:
            took = fabric.collective_time(PATTERN[op], size[rows], n, through)
            near = "host" if through.through_host or (hardware in bridged and n > _PAIR) else "nvlink"
            return chip, f"{op} {near}/{n} chips/{wiring}", took
        found = catalog.load(chip)
        out = Target(found, _server(found) if cards else usual(found), n).link("out")
        took = fabric.group_time(PATTERN[op], size[rows], Reach(n, node, through, out))
        return chip, f"between {'servers' if cards else 'nodes'}/{op}/{n // inside} nodes/{n}", took

    return by_group(table, ("topology", "op", "num_workers", "devices_per_node"), group)


def _server(chip: Chip) -> System:
    """The PCIe server that cards like this one are built into."""
    return load(_SERVERS[chip.kinds["link.host"]])


def _bridge(chip: str) -> Link:
    """Cards bridged in pairs: a cable as wide as their NVLink, and the host's PCIe between the pairs."""
    found = catalog.load(chip)
    rate = found.si("link.bridge.bandwidth", found.si("link.scale_up.bandwidth"))
    paired = Target(found, _server(found), _PAIR).link("up")
    return replace(
        paired,
        topology="bridge",
        bandwidth_bytes_per_s=rate,
        beyond_bytes_per_s=found.si("link.host.bandwidth"),
        size=_PAIR,
        through_host=False,
        kernels=False,
    )
