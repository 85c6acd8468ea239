"""All-reduce and sends inside a node, between bridged cards and between nodes (vidur); sizes are bytes."""

from __future__ import annotations

from dataclasses import replace

from silmark.chips import catalog
from silmark.errors import UnknownName
from silmark.fabric import Link
from silmark.graph import Array
from silmark.systems import Target
from silmark.systems.catalog import usual
from silmark.validation.operators.collectives import PATTERN, collective, link
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group

COLUMNS = frozenset({"num_workers", "size_bytes", "devices_per_node", "op", "topology"})


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    size = table.number("size_bytes")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        topology, op, workers, per_node = key
        hardware, _, wiring = topology.partition("_")
        if op not in PATTERN or not (workers.isdecimal() and per_node.isdecimal()):
            raise UnknownName("collective", f"{op} of {workers}", PATTERN)
        chip, n, inside = alias("hardware", hardware), int(workers), max(1, int(per_node))
        took = collective(PATTERN[op], size[rows], min(n, inside), _inside(chip, wiring), own_kernels=False)
        if n > inside:
            found = catalog.load(chip)
            out = Target(found, usual(found), n).link("out")
            across = collective(PATTERN[op], size[rows] / inside, n // inside, out, own_kernels=False)
            took = across if inside == 1 else took + across
        reach = f"between nodes/{op}/{n // inside} nodes" if n > inside else f"{op} {wiring}/{inside} chips"
        return chip, f"{reach}/{n}", took

    return by_group(table, ("topology", "op", "num_workers", "devices_per_node"), group)


def _inside(chip: str, wiring: str) -> Link:
    """NVSwitch, or bridges between pairs of cards."""
    found = link(chip, 2)
    if wiring == "dgx":
        return found
    return replace(found, topology="bridge", in_network_reduction=False)
