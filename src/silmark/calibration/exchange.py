"""Fits dispatch and combine on DeepEP's published tables: H800, NVLink inside a node, one 400 Gb/s NIC per chip.

Low latency: times of both phases for 8 to 256 chips, of the first release (everything through the network) and of one
that uses NVLink inside a node; one launch and two shares for all of them. Normal: only rates of the link that limits
are printed, hence shares alone; its launch is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from silmark.calibration import points, robust, rows
from silmark.chips import catalog
from silmark.errors import UnknownName
from silmark.fabric import Reach
from silmark.fabric.exchange import FILE, PHASES, Way, low_latency
from silmark.figures.tables import data_folder
from silmark.graph import Array
from silmark.mapping.sharding import DISPATCHED_BYTES
from silmark.systems import Target
from silmark.systems.catalog import usual

SOURCE = "deepep-readme"
CHIP = rows.CHIPS["H800-SXM5 + CX7 400Gb/s"]
BYTES = {"dispatch": DISPATCHED_BYTES, "combine": 2.0}
"""Per element: 8 bits with scales, and 16 bits."""
START = {"launch": 2e-5, "share_up": 0.8, "share_out": 0.9}
_BOUNDS = {"launch": (1e-6, 1e-4), "share_up": (0.3, 1.0), "share_out": (0.3, 1.0)}
_NORMAL_LAUNCH = (60.0, 30.0, 120.0)
"""Microseconds and their interval."""
_SAID = re.compile(r"(\d{1,6}) tokens/batch, hidden (\d{1,6}),.*?top-(\d{1,3})(?: *;|$| *;? groups column)")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One dispatch or combine as the tables describe it.

    Attributes:
        phase: dispatch or combine.
        payload: bytes of all copies of one chip's tokens.
        copies: experts per token.
        latency: the low-latency way; wired: it uses the links inside a node.
    """

    phase: str
    payload: float
    copies: float
    latency: bool
    wired: bool

    @classmethod
    def of(cls, op: str, notes: str) -> Exchange:
        """Reads the names and notes of the tables; raises UnknownName."""
        said = _SAID.search(notes)
        phase = next((name for name in PHASES if name in op), None)
        if said is None or phase is None:
            raise UnknownName("exchange", op, PHASES, hint="its notes give tokens, hidden width and top-k")
        tokens, hidden, chosen = (float(number) for number in said.groups())
        latency = "low-latency" in op
        return cls(phase, tokens * hidden * chosen * BYTES[phase], chosen, latency, not latency or "NVLink" in op)


def reach(chip: str, group: int) -> Reach:
    """So many chips of their usual nodes."""
    found = catalog.load(chip)
    return Target(found, usual(found), group).reach(group)


def _rows(latency: bool) -> list[rows.Row]:
    found = [r for r in rows.table("ops_deepseek_readme") if r["op"].startswith("DeepEP")]
    return [r for r in found if Exchange.of(r["op"], r["notes"]).latency == latency]


def times(wanted: Sequence[str] = ()) -> list[robust.Group]:
    """Rows with times by phase and release.

    Args:
        wanted: numbers of chips; empty: all.
    """
    found = []
    kept = [r for r in _rows(latency=True) if not wanted or r["groups"] in wanted]
    for (op,), some in rows.grouped(kept, "op").items():
        what = Exchange.of(op, some[0]["notes"])
        members = [reach(CHIP, int(r["groups"])) for r in some]
        label = f"{CHIP} {what.phase} {'NVLink' if what.wired else 'network only'}"
        predict = partial(_predict, what=what, members=members)
        found.append(robust.Group(CHIP, label, rows.numbers(some, "time_us") * 1e-6, predict))
    return found


def _predict(parameters: Mapping[str, float], what: Exchange, members: Sequence[Reach]) -> Array:
    way, payload = Way(**parameters), np.asarray(what.payload)
    return np.array([float(low_latency(way, payload, one, what.wired)) for one in members])


def rates() -> dict[str, Array]:
    """Shares of the limiting link that the normal way reaches, inside a node (`up`) and between nodes (`out`)."""
    found: dict[str, list[float]] = {"up": [], "out": []}
    for row in _rows(latency=False):
        one = reach(CHIP, int(row["groups"]))
        level, link = ("up", one.up) if one.group <= one.node else ("out", one.out)
        found[level].append(float(row["gbps"]) * 1e9 / link.bandwidth_bytes_per_s)
    return {level: np.array(shares) for level, shares in found.items()}


def held_out() -> dict[str, dict[str, float]]:
    """ln(predicted / measured) for 16, 64 and 256 chips by a fit to 8, 32 and 128."""
    half = robust.fit(times(("8", "32", "128")), START, _BOUNDS)
    return robust.statistics(times(("16", "64", "256")), half.values)


def _parameters(fitted: robust.Fit) -> dict[str, points.Leaf]:
    """All leaves of the file."""
    found: dict[str, points.Leaf] = {}
    ours = {"source": SOURCE, "grade": "derived"}
    for name, leaf in fitted.leaves(SOURCE, {}).items():
        factor, unit, most = (1e6, "us", np.inf) if name == "launch" else (1.0, "1", 1.0)
        value, low, high = (float(leaf[side]) * factor for side in ("value", "low", "high"))
        found[f"deepep.low_latency.{name}"] = points.leaf(value, low, min(high, most), unit, **ours)
    found["deepep.normal.launch"] = points.leaf(
        *_NORMAL_LAUNCH, "us", source="silmark-assumption", grade="assumed",
        note="two kernels and a barrier more than the low-latency way; no public time",
    )  # fmt: skip
    for level, shares in rates().items():
        found[f"deepep.normal.share_{level}"] = points.leaf(
            float(np.median(shares)), float(shares.min()), float(shares.max()), "1",
            note="printed rate of the limiting link, taken for the bytes that leave by it", **ours,
        )  # fmt: skip
    return found


def run() -> None:
    """Fits and writes `data/calibration/exchange.toml`."""
    groups = times()
    fitted = robust.fit(groups, START, _BOUNDS)
    tables: dict[str, dict[str, float]] = {}
    for kind, table in (("residuals", robust.statistics(groups, fitted.values)), ("held_out", held_out())):
        tables |= {f'{kind}."{label}"': row for label, row in table.items()}
    head = points.head(
        FILE,
        f"silmark calibrate {FILE}",
        "measurements/public/ops_deepseek_readme (DeepEP); held_out: 16, 64 and 256 chips by a fit to 8, 32 "
        "and 128; the source gives both releases the same times for 128 and 256; errors are ln(predicted / measured)",
        sum(len(group.seconds) for group in groups) + sum(len(shares) for shares in rates().values()),
    )
    points.write(data_folder() / "calibration" / f"{FILE}.toml", head, _parameters(fitted), tables)
