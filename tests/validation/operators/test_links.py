"""Tables of collectives: what implementation, wiring and unknown hosts mean to a row."""

from __future__ import annotations

import numpy as np
import pytest
from operator_tables import columns

from silmark import fabric
from silmark.validation.operators import bars, kinds


def seconds(kind: str, *changes: dict[str, str]) -> np.ndarray:
    found = kinds.recognise(frozenset(columns(kind).names))
    assert found is not None
    return found.predict(columns(kind, *changes)).seconds


def test_engines_kernels_help_small_tensors_and_eager_launches_do_not() -> None:
    small = {"dtype": "bfloat16", "message_elements": "2048"}
    library, graph, launched = seconds(
        "collectives", small, small | {"impl": "vLLM_custom_graph"}, small | {"impl": "vLLM_custom_eager"}
    )
    assert graph < library < launched
    assert launched == fabric.figures()["host.eager"].value


def test_bytes_go_round_the_ring_where_halves_are_added_in_the_switch() -> None:
    halves, bytes_ = seconds(
        "collectives",
        {"dtype": "half", "message_elements": "268435456"},
        {"dtype": "int8", "message_elements": "536870912"},
    )
    assert bytes_ > 1.2 * halves


def test_groups_beyond_a_node_wait_for_the_network() -> None:
    inside, beyond = seconds("collectives", {"num_gpus": "8"}, {"num_gpus": "16"})
    assert beyond > inside * 1.05


def test_bars_of_cards_on_pcie_are_wider_than_those_of_chips() -> None:
    found = kinds.recognise(frozenset(columns("collectives").names))
    assert found is not None
    said = bars.apply(found.predict(columns("collectives", {"system": "h200_sxm"}, {"system": "l40s"})))
    chip, card = np.log(said.high / said.low)
    assert card > 1.1 * chip


def test_pairwise_servers_have_a_bridge_per_pair_and_the_host_between() -> None:
    """A100 cards reach 300 GB/s in a pair and 31.5 beyond; of eight A40 the first two are in different pairs."""
    sent = {"size_bytes": "66846720"}
    pair = sent | {"num_workers": "2", "devices_per_node": "2"}
    two, four, strangers = seconds(
        "network-vidur",
        pair | {"topology": "a100_pairwise_nvlink"},
        sent | {"topology": "a100_pairwise_nvlink"},
        pair | {"topology": "a40_pairwise_nvlink", "op": "send_recv"},
    )
    assert four / two == pytest.approx(1.5 * 300 / 31.5, rel=0.15)
    assert strangers > 66846720 / 31.5e9


def test_between_servers_cards_have_less_than_nodes_with_a_port_per_chip() -> None:
    one = {"num_workers": "2", "devices_per_node": "1", "op": "send_recv", "size_bytes": "66846720"}
    node, server = seconds("network-vidur", one | {"topology": "h100_dgx"}, one | {"topology": "h100_pairwise_nvlink"})
    assert server > 1.5 * node
