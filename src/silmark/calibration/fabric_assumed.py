"""Libraries of which no public timings exist: compiled schedules, RCCL and oneCCL, from papers, sources and analogy."""

from __future__ import annotations

from collections.abc import Mapping

from silmark.calibration import points
from silmark.chips import catalog
from silmark.fabric.terms import Terms

_BASE = 12.0 / 6.6
"""RCCL's tuning table over NCCL's: what starting a ring of the low-latency protocol costs, us over us."""
_TREE = "all_reduce_tree"
_TREE_RATE = 0.9
_FIELDS = (("launch", 1e6, "us"), ("step", 1.0, "1"), ("share", 1.0, "1"), ("ramp", 1e6, "us"))
_DIRECT = ("all_reduce_two_shot", "all_gather_direct", "reduce_scatter_direct", "all_to_all_direct", "send_direct")
_NETWORK = (
    ("gpu", 47 / 50, 40 / 50, 48 / 50, "nccl-tests-290", "derived", "46 to 48 GB/s of each 400 Gb/s port; 40 seen"),
    ("rccl", 47 / 50, 30 / 50, 48 / 50, "silmark-assumption", "assumed", "as NCCL's"),
    ("oneccl", 0.8, 0.4, 48 / 50, "silmark-assumption", "assumed", "no public timing"),
)
"""Libraries that pipeline over nodes: share of a port's bandwidth, its interval, source, grade and note."""
_BUCKET = ("all_reduce_bucket", "all_gather_bucket", "reduce_scatter_bucket")
_KERNELS = ("all_reduce_one_shot", "all_reduce_two_shot")


def dies() -> float:
    """What several dies cost where no such chip is in the fit: memory of MI300X over that of MI210, both measured."""
    slow, fast = (catalog.load(chip).si("memory.main.latency") for chip in ("amd-mi300x-192gb", "amd-mi210-64gb"))
    return slow / fast


def parameters(fitted: Mapping[str, Terms]) -> dict[str, points.Leaf]:
    """Parameters of the libraries that are not fitted, some of them relative to NCCL's fitted ones."""
    with_tree = {**fitted, _TREE: fitted["all_reduce_ring"]}
    own = _tree(fitted["all_reduce_ring"]) | _rccl(with_tree) | _oneccl(with_tree)
    return _static() | _xla() | own | _network()


def _network() -> dict[str, points.Leaf]:
    """What collectives reach of the ports between nodes."""
    return {
        f"network.{library}": points.leaf(value, low, high, "1", source=source, grade=grade, note=note)
        for library, value, low, high, source, grade, note in _NETWORK
    }


def _tree(ring: Terms) -> dict[str, points.Leaf]:
    """Trees of more than a node: the ring's terms, at the share of a ring's rate that NCCL's own model gives them."""
    found: dict[str, points.Leaf] = {}
    for field, factor, unit in _FIELDS:
        value = getattr(ring, field) * factor * (_TREE_RATE if field == "share" else 1.0)
        high = min(1.0, value * 1.5)
        found[f"gpu.{_TREE}.{field}"] = points.leaf(
            value, value / 2, high if field == "share" else value * 2, unit, source="nccl-tuning", grade="assumed",
            note="as the ring; trees reach 0.9 of its rate in NCCL's tuning",
        )  # fmt: skip
    return found


def _static() -> dict[str, points.Leaf]:
    """Compile-time schedules: no launch, direct exchanges or buckets, the frame overhead of the links."""
    found: dict[str, points.Leaf] = {}
    for name in _DIRECT:
        step = 1.0 if name == "send_direct" else 1.5
        found |= _without_library(name)
        found[f"static.{name}.step"] = points.leaf(
            step, 1.0, 2.0, "1", source="groq-isca-2022", grade="derived",
            note="all-reduce of eight chips takes 2.1 us: two exchanges of 1.5 link latencies of 0.7 us; one point",
        )  # fmt: skip
        found[f"static.{name}.share"] = points.leaf(
            0.9, 0.75, 0.975, "1", source="groq-isca-2022", grade="derived",
            note="75 to 90 % of the links reached, 2.5 % framing at best",
        )  # fmt: skip
    for name in _BUCKET:
        found |= _without_library(name)
        found[f"static.{name}.step"] = points.leaf(
            1.0, 0.5, 2.0, "1", source="silmark-assumption", grade="assumed", note="one link latency per hop"
        )
        found[f"static.{name}.share"] = points.leaf(
            0.9, 0.7, 0.975, "1", source="silmark-assumption", grade="assumed",
            note="as direct exchanges; public training runs on TPU slices hold with it",
        )  # fmt: skip
    return found


def _xla() -> dict[str, points.Leaf]:
    """Schedules of chips without a common clock: as static ones, and a meeting of the members before each."""
    found = {key.replace("static.", "xla.", 1): leaf for key, leaf in _static().items()}
    meeting = points.leaf(
        3, 1, 15, "us", source="silmark-assumption", grade="assumed",
        note="launch and barrier of one exchange on a TPU: a few hops of 1 us; no public timing of small ones",
    )  # fmt: skip
    return found | {key: meeting for key in found if key.endswith(".launch")}


def _without_library(name: str) -> dict[str, points.Leaf]:
    nothing = points.leaf(0, 0, 0, "us", source="groq-isca-2022", grade="paper")
    return {f"static.{name}.launch": nothing, f"static.{name}.ramp": nothing}


def _rccl(fitted: Mapping[str, Terms]) -> dict[str, points.Leaf]:
    """NCCL's terms with the longer start that RCCL's own tuning table states; engines' kernels as on NVIDIA."""
    found: dict[str, points.Leaf] = {}
    for name, terms in fitted.items():
        for field, factor, unit in _FIELDS:
            value = getattr(terms, field) * factor
            slower = field == "launch" and name not in _KERNELS
            middle, low, high = (value * _BASE, value, value * 2 * _BASE) if slower else (value, value / 2, value * 1.5)
            if field == "share":
                high = min(1.0, high)
            found[f"rccl.{name}.{field}"] = points.leaf(
                middle, low, high, unit, source="rccl-tuning" if slower else "silmark-assumption", grade="assumed",
                note="12.0 over 6.6 us in the tuning tables of RCCL and NCCL" if slower else "as NCCL's",
            )  # fmt: skip
    return found


def _oneccl(fitted: Mapping[str, Terms]) -> dict[str, points.Leaf]:
    """OneCCL on cards of a host: NCCL's shape, a start three times as long, half to all of the rate."""
    found: dict[str, points.Leaf] = {}
    for name, terms in fitted.items():
        if name in (*_KERNELS, "all_reduce_in_switch"):
            continue
        middles = {
            "launch": terms.launch * 3e6,
            "step": terms.step,
            "share": terms.share * 0.75,
            "ramp": terms.ramp * 1e6,
        }
        for field, _, unit in _FIELDS:
            value = middles[field]
            high = min(1.0, value * 1.5) if field == "share" else value * 3
            found[f"oneccl.{name}.{field}"] = points.leaf(
                value, value / 3, high, unit, source="silmark-assumption", grade="assumed",
                note="no public timing: a young library over the host's PCIe, relative to NCCL",
            )  # fmt: skip
    return found
